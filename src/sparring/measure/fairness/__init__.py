"""How differently a classifier treats groups, with intervals; fronts of accuracy against the difference."""
