"""Recipes of density models: generators that know log p(x)."""
