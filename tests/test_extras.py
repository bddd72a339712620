"""Dependencies and extras: every library that is imported is declared, and every extra that a message names exists."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "mlflow": "mlflow-skinny"}
"""Module -> distribution, where their names differ."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def distribution(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement)[0].lower()


def imported(path: Path) -> Iterator[str]:
    """Yield the libraries that a file imports anywhere, by `import_module("x")`, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def test_every_import_is_a_dependency_or_in_an_extra() -> None:
    required = {distribution(each) for each in PROJECT["dependencies"]}
    optional = {distribution(each) for name, extra in EXTRAS.items() if name != "dev" for each in extra}
    libraries = {name for path in SOURCES for name in imported(path)} - {"sparring", "_typeshed"}
    libraries = {DISTRIBUTIONS.get(name, name) for name in libraries - set(sys.stdlib_module_names)}
    assert not libraries - required - optional
    assert not required - libraries  # none is required for nothing


@pytest.mark.parametrize("paths", [PAGES, SOURCES], ids=["pages", "sources"])
def test_every_extra_that_is_named_exists(paths: list[Path]) -> None:
    texts = (path.read_text(encoding="utf-8") for path in paths)
    named = [names for text in texts for names in re.findall(r"(?:sparring|-e \"?\.)\[([\w,]+)\]", text)]
    assert not {extra for names in named for extra in names.split(",")} - set(EXTRAS)


def test_the_tools_have_every_extra_that_is_tested() -> None:
    [own] = [each for each in EXTRAS["dev"] if distribution(each) == "sparring"]
    assert set(EXTRAS) - set(re.findall(r"\w+", own)[1:]) == {"dev", "wandb", "trackio"}  # services with an account
