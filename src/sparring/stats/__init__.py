"""Package stats."""
