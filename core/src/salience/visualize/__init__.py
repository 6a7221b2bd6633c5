"""From an explanation to a picture."""
