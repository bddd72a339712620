"""Plain classifiers of sounds and tables."""
