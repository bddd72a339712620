"""Scores of samples against data, with intervals and baselines."""
