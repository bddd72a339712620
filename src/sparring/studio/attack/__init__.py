"""The Attack page: one example, a slider of eps, and the answer beside it."""
