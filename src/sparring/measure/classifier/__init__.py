"""Measurements of classifiers: accuracy, calibration, robustness, certificates."""
