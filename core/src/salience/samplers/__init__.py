"""Samplers: what makes draws."""
