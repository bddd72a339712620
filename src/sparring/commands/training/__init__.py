"""The steps that every training goes through."""
