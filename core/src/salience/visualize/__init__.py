"""Visualizers: render explanations as figures."""
