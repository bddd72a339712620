"""The form that starts a command: fields of the page in, arguments of `sparring` out.

Each field is one flag of a fixed list, so that a page can start nothing else. The page shows the command line before it
is run.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sparring.data.resolve import local
from sparring.engine.errors import UsageError
from sparring.recipes import recipes_for

COMMANDS = ("train", "classify", "regress", "harden")
"""Commands that the page starts on a source."""
NUMBERS = {"minutes": float, "size": int, "seed": int, "batch_size": int}
TEXTS = ("recipe", "label", "kind")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of new runs: one folder below the folder of runs."""


def new_run(body: dict[str, Any], folder: Path) -> tuple[list[str], str]:
    """Return the arguments of a new training and the name of its run; raise UsageError on wrong fields."""
    command, source, name = (str(body.get(field, "")).strip() for field in ("command", "source", "name"))
    if command not in COMMANDS:
        raise UsageError(f"unknown command '{command}': choose one of {', '.join(COMMANDS)}")
    if not source or source.startswith("-") or "\0" in source:
        raise UsageError("the source is missing: give the path of your data, or a name such as digits or mnist")
    if not NAME.fullmatch(name):
        raise UsageError(f"the name '{name}' has to consist of letters, digits, '.', '_' and '-': choose another")
    if (folder / name).exists():
        raise UsageError(f"a run '{name}' exists: choose another name, or continue that run")
    path = local(source)  # absolute, so that a server in another folder can continue the run
    args = [command, str(path.absolute()) if path else source, "--out", str(folder / name)]
    for field, kind in NUMBERS.items():
        if text := str(body.get(field, "") or "").strip():
            args += [f"--{field.replace('_', '-')}", _number(field, text, kind)]
    recipe_flag = "--method" if command == "harden" else "--recipe"
    for field in TEXTS:
        if text := str(body.get(field, "") or "").strip():
            if text.startswith("-"):
                raise UsageError(f"{field} may not begin with '-': write it without")
            if field == "recipe" and text not in recipes_for(command):
                raise UsageError(f"unknown recipe '{text}': choose one of {', '.join(recipes_for(command))}")
            args += [recipe_flag if field == "recipe" else f"--{field}", text]
    return args, name


def continued_run(settings: dict[str, Any], path: Path) -> list[str]:
    """Return the arguments that continue the run at `path`; raise UsageError where the page cannot."""
    command, source = settings.get("command"), settings.get("data", {}).get("source")
    if command not in COMMANDS or not isinstance(source, str) or source.startswith("-"):
        raise UsageError(f"{path.name} was not written by {', '.join(COMMANDS)}: continue it on the command line")
    return [command, source, "--out", str(path)]


def _number(field: str, text: str, kind: type) -> str:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise UsageError(f"{field} '{text}': write a number, 0 or more")
    return str(value)
