"""One file a paper. The table tells where each recipe lies, so that listing them imports none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparring.engine.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from sparring.recipes.adversarial.base import AdversarialRecipe
    from sparring.recipes.classifier_recipe import ClassifierRecipe
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

HARDENERS: dict[str, tuple[str, str]] = {
    "fgsm": ("FGSM", "one step from the data, and the data (Goodfellow et al. 2014)"),
    "pgd": ("PGD", "many steps from anywhere in the ball (Madry et al. 2018)"),
    "fast": ("Fast", "the default: one step from anywhere in the ball, guarded (Wong et al. 2020)"),
    "free": ("Free", "each batch several times, with a perturbation that stays (Shafahi et al. 2019)"),
    "trades": ("TRADES", "accuracy, and the same answer all around, at a price (Zhang et al. 2019)"),
    "noisy": ("Noisy", "in Gaussian noise, for certificates: `sparring certify` (Cohen et al. 2019)"),
}
"""The same of the ways of adversarial training, which train a classifier alone."""

DEFAULT, DEFAULT_CLASSIFIER, DEFAULT_HARDENER = "r3", "consistent", "fast"


def recipe_class(name: str) -> type[Recipe]:
    """The dataclass of any recipe by name; raises UsageError, with the nearest name, on an unknown one."""
    kind: type[Recipe] = _class_of(name, RECIPES | CLASSIFIERS | HARDENERS, "recipe")
    return kind


def classifier_class(name: str) -> type[ClassifierRecipe]:
    """That of a recipe for few labels; raises UsageError, with the nearest name, on another."""
    kind: type[ClassifierRecipe] = _class_of(name, CLASSIFIERS, "recipe")
    return kind


def hardener_class(name: str) -> type[AdversarialRecipe]:
    """That of a way of adversarial training; raises UsageError, with the nearest name, on another."""
    kind: type[AdversarialRecipe] = _class_of(name, HARDENERS, "method")
    return kind


def _class_of(name: str, known: dict[str, tuple[str, str]], what: str) -> Any:
    if name in known:
        return getattr(import_module(f"sparring.recipes.{_folder(name)}.{name}"), known[name][0])
    if name in RECIPES | CLASSIFIERS | HARDENERS:
        raise UsageError(f"{used(name)}; known here: {', '.join(known)}")
    raise UsageError(f"unknown {what} '{name}': {did_you_mean(name, known)}")


def _folder(name: str) -> str:
    if name in HARDENERS:
        return "adversarial"
    return "semi_supervised" if name in CLASSIFIERS else "generators"


def used(name: str) -> str:
    """What a known recipe trains, and by which command."""
    if name in HARDENERS:
        return f"{name} trains against attacks: `sparring harden SOURCE --method {name}`"
    what, command = ("classifier", "classify") if name in CLASSIFIERS else ("generator", "train")
    return f"{name} trains a {what}: `sparring {command} SOURCE --recipe {name}`"
