"""What a run has written: files of units, the index, and what can be asked of them."""
