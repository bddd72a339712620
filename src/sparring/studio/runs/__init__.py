"""The Runs page: list, start and stop, live metrics and pictures."""
