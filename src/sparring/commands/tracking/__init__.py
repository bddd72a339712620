"""Helpers of `sparring track`."""
