"""Results: explanations, draws before aggregation, significance tests, and storage."""
