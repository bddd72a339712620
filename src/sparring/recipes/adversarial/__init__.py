"""Adversarial training of classifiers, one file a paper."""
