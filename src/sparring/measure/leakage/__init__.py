"""Leakage of features: what fresh adversaries read of a group, and a bound for finite codes."""
