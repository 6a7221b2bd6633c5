"""Aggregators: turn M draws into one saliency, block by block."""
