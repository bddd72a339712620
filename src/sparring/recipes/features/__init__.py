"""Recipes whose adversary reads features: adaptation of a classifier to an unlabelled domain."""
