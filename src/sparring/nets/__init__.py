"""Plain networks, one file a family."""
