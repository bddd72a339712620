"""Import a model from Python code, named `module:callable` or `path/to/file.py:callable`."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from sparring.attacks.validation import Model
from sparring.engine.errors import UsageError, did_you_mean


class ImportedModel(NamedTuple):
    """A model from Python code."""

    model: Model
    constructor: str = ""
    """Name of the class or function that was called for it; empty where the code holds the model itself."""


def import_model(name: str, device: torch.device) -> ImportedModel:
    """Import the callable `name`; a class or function without required arguments is called and returns the model.

    The part before the last colon is a module, or a path as shells complete it, with `.py` or without. Raises
    UsageError where there is no such code, where it fails, or where what it names is no model.
    """
    place, _, attribute = name.rpartition(":")
    constructor = ""
    try:
        value = _attribute(_module(place.rstrip(":")), attribute, place)
        if not isinstance(value, nn.Module) and callable(value) and not _required_arguments(value):
            value, constructor = value(), attribute
        if isinstance(value, nn.Module):
            value = value.to(device)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise UsageError(f"{name} cannot be loaded: {type(error).__name__}: {first_line(error)}") from error
    if isinstance(value, type) or not callable(value):
        raise UsageError(
            f"{name} is no model: name a module, a function from inputs to logits, or a function without arguments "
            "that returns either"
        )
    return ImportedModel(value, constructor)


def names_in_code(path: Path) -> list[str]:
    """Return the public names that the Python file at `path` defines, without running it."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _module(place: str) -> ModuleType:
    """Import the module or file that `place` names."""
    _search_first(Path.cwd())
    is_path = place.endswith(".py") or place.startswith(("~", ".")) or any(mark in place for mark in ("/", "\\"))
    if not is_path:
        try:
            return import_module(place)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{place}.".startswith(f"{error.name}."):
                raise  # what the module itself imports
            raise UsageError(f"there is no Python module '{place}': name a file, as in path/to/file.py:net") from error
    path = Path(place).expanduser()
    for file in (path, path.with_name(f"{path.name}.py") if path.name else path, path / "__init__.py"):
        if file.is_file():
            return _from_file(file.resolve())
    raise UsageError(f"there is no file {path if path.suffix == '.py' else f'{path}.py'}: name the code of the model")


def _from_file(path: Path) -> ModuleType:
    """Import the file at `path`, as a part of its package where it is in one."""
    folder, parts = path.parent, [] if path.name == "__init__.py" else [path.stem]
    while (folder / "__init__.py").is_file():
        folder, parts = folder.parent, [folder.name, *parts]
    _search_first(folder)
    name = ".".join(parts)
    if len(parts) > 1 or path.name == "__init__.py":
        return import_module(name)
    loaded = sys.modules.get(name)
    if loaded is not None:
        if getattr(loaded, "__file__", None) == str(path):
            return loaded
        name = f"{name}_{len(sys.modules)}"  # another module has this name
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # before it runs: dataclasses and pickles look here
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _search_first(folder: Path) -> None:
    """Put `folder` first on the path of imports, permanently: a model may import more when it is first called."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _attribute(module: ModuleType, attribute: str, place: str) -> Any:
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            known = names_in_code(Path(module.__file__ or "")) if value is module else dir(value)
            raise AttributeError(f"there is no '{part}' in {place}: {did_you_mean(part, known)}")
        value = getattr(value, part)
    return value


def _required_arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]
