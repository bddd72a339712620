"""Proportions and confidence intervals."""
