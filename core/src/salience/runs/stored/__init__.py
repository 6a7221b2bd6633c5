"""What a run has written: files of units, the index, and the questions that can be asked of them."""
