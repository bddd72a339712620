"""Scores of generated data that belong to one kind: tables, recordings, series, arrays of genes."""
