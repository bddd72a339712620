"""Package diagnostics."""
