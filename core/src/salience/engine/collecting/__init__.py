"""Collecting the draws of a batch: aggregated as they come, pooled, or kept."""
