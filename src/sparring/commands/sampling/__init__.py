"""Helpers of `sparring sample`."""
