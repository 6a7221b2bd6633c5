"""What is found, and what can be asked of it."""
