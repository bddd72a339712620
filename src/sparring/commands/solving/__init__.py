"""Understand a task that is given in words, check that it was understood, and carry it out by the other commands."""
