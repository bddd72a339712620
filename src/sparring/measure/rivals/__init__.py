"""Simple generators that are compared with a trained one."""
