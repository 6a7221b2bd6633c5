"""Calculators, which compute saliency from a score and the values of the target variables."""
