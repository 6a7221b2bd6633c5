"""Named axes, batches of items, padding, and domains, which describe kinds of data."""
