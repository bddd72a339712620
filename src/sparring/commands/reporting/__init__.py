"""Progress output and run reports."""
