"""Which classifiers are tried: the plain one, and each method at several weights."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sparring.engine.errors import UsageError
from sparring.recipes import FAIR_BASELINE, recipe_class
from sparring.recipes.features.fair_base import FairRecipe
from sparring.recipes.features.thresholds import MADE_FROM_PLAIN, Thresholds
from sparring.recipes.recipe import Recipe

METHODS = ("gap_penalty", "hsic", "zhang", "laftr", "max_entropy", "leace", "reductions")
"""Recipes that are tried where none is named, each at the weights of its grid."""
SHARED = tuple(f.name for f in fields(FairRecipe) if f.name != "weight")
"""Fields that all candidates have in common."""


def base_recipe(recipe: Recipe | str | None, notion: str | None) -> FairRecipe:
    """Return the recipe as given, or the plain one; raise UsageError where it is none that compares groups."""
    selected: Any = recipe_class(recipe, "classify")() if isinstance(recipe, str) else recipe
    if selected is None:
        selected = recipe_class(FAIR_BASELINE)()
    if not isinstance(selected, FairRecipe):
        known = ", ".join((FAIR_BASELINE, *METHODS))
        raise UsageError(f"{selected.name} does not compare groups: with --protect take --recipe {known}")
    if isinstance(selected, Thresholds):
        raise UsageError(MADE_FROM_PLAIN)
    return selected if notion is None else replace(selected, notion=notion)


def candidates_for(base: FairRecipe, classes: int) -> dict[str, FairRecipe]:
    """Return the recipes to train by name: the plain one first, then those of `base`, or of all methods."""
    shared = {name: getattr(base, name) for name in SHARED}
    recipes: dict[str, FairRecipe] = {FAIR_BASELINE: recipe_class(FAIR_BASELINE)(**shared)}
    methods = [base] if base.name != FAIR_BASELINE else [recipe_class(name)(**shared) for name in METHODS]
    for method in methods:
        if method.binary and classes != 2 and base.name == FAIR_BASELINE:
            continue
        given: Any = getattr(method, method.varies)
        if not method.grid:
            recipes[method.name] = method
            continue
        for value in method.grid if given is None else (given,):
            recipes[f"{method.name}-{value:g}"] = replace(method, **{method.varies: value})
    return recipes
