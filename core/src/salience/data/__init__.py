"""Named axes, batches, and what a domain says of its data."""
