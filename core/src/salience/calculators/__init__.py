"""Calculators: what turns a score and a point into saliency."""
