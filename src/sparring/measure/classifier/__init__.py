"""Package classifier."""
