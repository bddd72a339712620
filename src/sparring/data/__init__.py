"""Anything in: one memory-mapped array and a spec."""
