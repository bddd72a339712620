"""Sparring: networks that learn by playing against each other.

    import sparring
    run = sparring.train("photos/", minutes=10)
    sparring.sample(run.path, n=64, out="samples.png")

`__init__.pyi` lists all names with their modules. A module is imported when a name of it is first used, so that
`import sparring` takes no time.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

_MODULES: dict[str, str] = {
    name: module
    for module, name in re.findall(
        r"^from (\S+) import (\w+) as", Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"), re.M
    )
}
"""Name -> module that defines it."""

__all__ = sorted(name for name in _MODULES if name != "__version__")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'sparring' has no attribute '{name}'")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
