"""Values and gradients of rows within the budget."""
