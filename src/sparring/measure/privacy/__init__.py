"""Audits of privacy: lower bounds of epsilon from what a training releases."""
