"""The Concepts page: what the handles of a model change, and the person's version of the test."""
