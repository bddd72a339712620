"""The candidates of an adaptation, and how the training time is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparring.engine.errors import UsageError
from sparring.recipes import RECIPES, recipe_class
from sparring.recipes.features.adaptation_base import AdaptationRecipe
from sparring.recipes.recipe import Recipe

WEIGHTS: dict[str, float] = {
    "source_only": 1.0, "mcc": 1.0, "dann": 2.0, "teacher": 10.0, "coral": 1.0, "cdan": 2.0, "adda": 1.0, "mcd": 1.5,
}  # fmt: skip
"""Candidates in the order of training -> weight of their training time.

Each estimates the class shares of the target for those that follow, if it is the best so far. `teacher` needs a good
estimate, and the methods that equalise features need one more than `mcc`.
"""
COSTS: dict[str, float] = {"source_only": 0.5, "adda": 1.5, "teacher": 1.5, "mcd": 3.0}
"""Relative time of an example, 1 for others: it turns the weights into numbers of examples."""
MINUTES: dict[str, float] = {"image": 15.0, "audio": 15.0, "series": 8.0, "table": 6.0}
"""Kind of data -> training time of all candidates together, where none is given."""


@dataclass(frozen=True)
class TrainingLength:
    """Training time, or examples, of all candidates together."""

    minutes: float | None
    images: int | None

    def split(self, names: list[str]) -> dict[str, TrainingLength]:
        """Return the length of each candidate, in proportion to WEIGHTS."""
        times = {name: WEIGHTS.get(name, 1.0) for name in names}
        examples = {name: time / COSTS.get(name, 1.0) for name, time in times.items()}
        minutes, images = self.minutes, self.images
        return {
            name: TrainingLength(
                None if minutes is None else round(minutes * times[name] / sum(times.values()), 4),
                None if images is None else max(int(images * examples[name] / sum(examples.values())), 1),
            )
            for name in names
        }


def candidates_of(recipe: Recipe | str | None) -> dict[str, Any]:
    """Return name -> recipe of each candidate: all, or source only and the requested one.

    Raises UsageError where the requested one adapts nothing.
    """
    names = [name for name in WEIGHTS if name in RECIPES]
    if recipe is None:
        return {name: recipe_class(name)() for name in names}
    selected: Any = recipe_class(recipe, "classify")() if isinstance(recipe, str) else recipe
    if not isinstance(selected, AdaptationRecipe):
        raise UsageError(
            f"--adapt-to cannot use {getattr(selected, 'name', recipe)!r}: take one of {', '.join(names)}, or leave "
            "--recipe out to try them all"
        )
    return {"source_only": recipe_class("source_only")()} | {selected.name: selected}


def check_target(recipe: Recipe | str | None) -> None:
    """Raise UsageError where a recipe is requested that needs a target domain."""
    name = recipe if isinstance(recipe, str | None) else recipe.name
    if name in WEIGHTS:
        raise UsageError(f"{name} adapts a classifier to unlabelled data of another domain: add --adapt-to TARGET")
