"""One file a paper. The table tells where each recipe lies, so that listing them imports none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sparring.engine.errors import UsageError, nearest

if TYPE_CHECKING:
    from sparring.recipes.fewlabels import ClassifierRecipe
    from sparring.recipes.recipe import Recipe

RECIPES: dict[str, tuple[str, str]] = {
    "gan2014": ("GAN2014", "the first GAN: fully connected, maxout and dropout (Goodfellow et al. 2014)"),
    "lapgan": ("LAPGAN", "a Laplacian pyramid of conditional GANs, from coarse to fine (Denton et al. 2015)"),
    "dcgan": ("DCGAN", "strided convolutions and batch normalisation (Radford et al. 2015)"),
    "biggan": ("BigGAN", "class by class, with attention and truncated noise (Brock et al. 2019)"),
    "s3gan": ("S3GAN", "BigGAN for few labels or none: completed, or found (Lučić et al. 2019)"),
    "r3": ("R3", "the default: relativistic pairs with R1 and R2 (Huang et al. 2024)"),
}
"""Name -> class in the module of that name, and one line about it."""

CLASSIFIERS: dict[str, tuple[str, str]] = {
    "improved": ("Improved", "feature matching with K + 1 classes, as published (Salimans et al. 2016)"),
    "consistent": ("Consistent", "the default: sure labels of an averaged teacher, and a generator (Sohn et al. 2020)"),
}
"""The same of recipes for few labels, which train a classifier with their generator."""

DEFAULT, DEFAULT_CLASSIFIER = "r3", "consistent"


def recipe_class(name: str) -> type[Recipe]:
    """The dataclass of a recipe by name; raises UsageError, with the nearest name, on an unknown one."""
    if name not in (known := RECIPES | CLASSIFIERS):
        raise UsageError(f"unknown recipe '{name}': {nearest(name, known)}")
    kind: type[Recipe] = getattr(import_module(f"sparring.recipes.{name}"), known[name][0])
    return kind


def classifier_class(name: str) -> type[ClassifierRecipe]:
    """That of a recipe for few labels; raises UsageError, with the nearest name, on another."""
    if name in RECIPES:
        raise UsageError(
            f"{name} trains a generator: `sparring train --recipe {name}`; known here: {', '.join(CLASSIFIERS)}"
        )
    if name not in CLASSIFIERS:
        raise UsageError(f"unknown recipe '{name}': {nearest(name, CLASSIFIERS)}")
    kind: type[ClassifierRecipe] = getattr(import_module(f"sparring.recipes.{name}"), CLASSIFIERS[name][0])
    return kind
