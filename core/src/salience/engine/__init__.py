"""The engine: computes explanations from requests."""
