"""Checks for failures of generators: copying, collapse, leaks, distinguishable samples."""
