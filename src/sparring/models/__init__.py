"""Saved models: write, load, sample, predict."""
