"""Boosted trees beside a network on tables: grown by scikit-learn, kept as tensors, compared."""
