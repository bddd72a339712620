"""Package supervised."""
