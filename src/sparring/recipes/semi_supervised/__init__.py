"""Package semi_supervised."""
