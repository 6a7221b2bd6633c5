"""What tells values, files and models from any others."""
