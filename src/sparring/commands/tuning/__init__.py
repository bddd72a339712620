"""Helpers of `sparring tune`: the search, its trials, the verdict and the page."""
