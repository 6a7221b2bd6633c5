"""Samplers: random noise on the target variable, and random parameters of the model."""
