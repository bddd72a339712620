"""Likelihoods of models whose normalising constant is estimated."""
