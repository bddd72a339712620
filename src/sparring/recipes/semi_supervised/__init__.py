"""Classifiers from few labels, one file a paper."""
