"""Helpers of `sparring attack`, `certify` and `harden`."""
