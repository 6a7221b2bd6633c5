"""Checks of the parts that are no domains, each on examples of data and model."""
