"""The public surface: names, the command's first page, start-up without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sparring
from sparring.recipes import RECIPES, recipe_class, recipes_for
from sparring.recipes.recipe import Recipe

SRC = Path(sparring.__file__).parent


def test_all_is_complete_sorted_by_isort_and_every_name_loads() -> None:
    assert {"train", "classify", "load", "open", "R3", "Run"} <= set(sparring.__all__)
    assert len(sparring.__all__) == len(set(sparring.__all__))
    for name in sparring.__all__:
        assert getattr(sparring, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = sparring.tarin


def test_every_recipe_is_public_and_meets_the_protocol() -> None:
    for name, entry in recipes_for("train").items():
        recipe = recipe_class(name)()
        assert isinstance(recipe, Recipe)
        assert recipe.name == name
        assert entry.class_name in sparring.__all__


@pytest.mark.parametrize("line", ["import sparring", "import sparring.cli", "import sparring.data.images.decode"])
def test_nothing_heavy_is_imported_before_it_is_needed(line: str) -> None:
    code = f"import sys\n{line}\nprint(sorted(sys.modules.keys() & {{'torch', 'sklearn', 'pyarrow', 'torchvision'}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_sparring_alone_shows_three_examples(cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = cli()
    assert done.returncode == 0
    assert done.stdout.count("\n  sparring ") == 3


def test_recipes_are_listed(quick: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    parts = re.split(r"^\w.*:\n", quick("recipes").stdout, flags=re.M)[1:]
    tables = [recipes_for(command) for command in ("train", "classify", "regress", "obfuscate", "harden")]
    for part, table in zip(parts, tables, strict=True):
        assert [line.split()[0] for line in part.splitlines()] == list(table)
    assert json.loads(quick("recipes", "--json").stdout).keys() == RECIPES.keys()


@pytest.mark.parametrize(
    "command",
    [
        "inspect",
        "train",
        "classify",
        "obfuscate",
        "harden",
        "attack",
        "predict",
        "encode",
        "sample",
        "doctor",
        "evaluate",
        "explain",
        "recipes",
        "certify",
        "restore",
        "solve",
        "tune",
    ],
)
def test_help_of_every_command(quick: Callable[..., subprocess.CompletedProcess[str]], command: str) -> None:
    done = quick(command, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout


def test_the_loop_is_read_in_one_sitting() -> None:
    assert len((SRC / "engine" / "loop.py").read_text().splitlines()) < 150
    for file in SRC.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file


def test_torchvision_and_torchaudio_are_never_imported() -> None:
    for file in SRC.rglob("*.py"):
        assert not re.search(r"(import|from|find_spec\(.) *torch(vision|audio)", file.read_text()), file
