"""Package scores."""
