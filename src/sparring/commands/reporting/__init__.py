"""Package reporting."""
