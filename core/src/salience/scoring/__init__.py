"""Scores: values and gradients of the output variable, in passes within the budget."""
