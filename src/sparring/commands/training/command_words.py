"""Write the command line of a training with given settings."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from sparring.data.reader_api import ReadOptions
from sparring.recipes.recipe import to_settings


def training_words(command: str, source: str, recipe: Any, read: ReadOptions) -> list[str]:
    """Return the arguments of `sparring` that train a recipe with its settings on a source that is read like this.

    Settings that have their default value are left out; the length of the training is not among them.
    """
    defaults = to_settings(type(recipe)())
    words = _flags({k: v for k, v in to_settings(recipe).items() if v != defaults[k]})
    plain = {f.name: f.default for f in fields(ReadOptions)}
    words += _flags({k: v for k, v in asdict(read).items() if v != plain[k] and k != "validation"})
    return [command, source, "--recipe", recipe.name, *words]


def _flags(values: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif name == "size":
            words += ["--size", "x".join(map(str, value))]
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else [value])]
    return words
