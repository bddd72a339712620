"""Two domains, of which one has no labels: class shares of the target, and the choice among adapted classifiers."""
