"""Helpers of `sparring export`."""
