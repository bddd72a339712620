"""Simple methods that are compared with a trained one: generators, and boosted trees beside networks."""
