"""Package attacking."""
