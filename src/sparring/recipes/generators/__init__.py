"""Generators, one file a paper."""
