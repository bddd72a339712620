"""Restore one picture without training data: operators, stopping rules and the deep image prior."""
