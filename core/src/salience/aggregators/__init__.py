"""Aggregators: reduce M draws to one saliency with a standard error, block by block."""
