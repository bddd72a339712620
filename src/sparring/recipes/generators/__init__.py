"""Package generators."""
