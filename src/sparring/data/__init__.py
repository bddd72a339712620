"""Anything in: one array in a file, and a spec."""
