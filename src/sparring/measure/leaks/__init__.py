"""Signs that a test figure is too good: equal rows in both splits, columns that give the label away, shared groups."""
