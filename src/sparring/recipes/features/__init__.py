"""Recipes whose adversary reads features or answers: it looks for a domain, or for a protected group."""
