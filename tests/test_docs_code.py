"""The code in the pages: commands that the command line accepts, and Python calls that the functions accept."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pages import HISTORY, PAGES, ROOT, commands, inline_commands, python

import sparring
from sparring.cli import COMMANDS, parse
from sparring.recipes import recipe_class, recipes_for

CURRENT = [page for page in PAGES if page.name not in HISTORY]


def pages_with(code: Any) -> Any:
    pages = [page for page in CURRENT if any(code(page))]
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


@pages_with(commands)
def test_commands_are_accepted(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(page):
        name, *args = shlex.split(command, comments=True)
        function = getattr(import_module(f"sparring.commands.{name}"), name)
        try:
            _, arguments = parse(name, args)
        except SystemExit as exit:
            assert exit.code == 0 and "--help" in args, f"sparring {command}\n{capsys.readouterr().err}"
        else:
            inspect.signature(function).bind(**arguments)


def flags_of(name: str) -> set[str]:
    """All flags of a command, with those of each recipe that it trains."""
    classes, names = [COMMANDS[name].flags, *(recipe_class(each, name) for each in recipes_for(name))], {"help"}
    for each in classes:
        hints = get_type_hints(each, include_extras=True)
        for field in dataclasses.fields(each):
            others = (getattr(part, "name", None) for part in getattr(hints[field.name], "__metadata__", ()))
            names |= {field.name, *filter(None, others)}
            if dataclasses.is_dataclass(field.default_factory):
                classes.append(field.default_factory)
    return {f"--{no}{name.replace('_', '-')}" for name in names for no in ("", "no-")}


@pages_with(inline_commands)
def test_flags_in_sentences_exist(page: Path) -> None:
    for command in inline_commands(page):
        name, *words = command.split()
        if name == "COMMAND" or name.startswith("--"):  # any command; a flag without one
            continue
        assert set(re.findall(r"--[a-z][a-z-]+", " ".join(words))) <= flags_of(name), command


@pages_with(python)
def test_python_compiles_and_its_calls_fit(page: Path) -> None:
    for block in python(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sparring":
                assert hasattr(sparring, node.attr), node.attr
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sparring"):
                module = import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("sparring."):
                target = getattr(sparring, ast.unparse(node.func).removeprefix("sparring."), None)
                names = {keyword.arg: None for keyword in node.keywords if keyword.arg}
                if target is not None:
                    inspect.signature(target).bind(*node.args, **names)
