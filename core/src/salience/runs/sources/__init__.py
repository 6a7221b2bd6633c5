"""Data sets of which any range of items is read."""
