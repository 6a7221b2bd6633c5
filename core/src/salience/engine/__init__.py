"""From a request to an explanation."""
