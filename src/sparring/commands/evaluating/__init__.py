"""Helpers of `sparring evaluate`."""
