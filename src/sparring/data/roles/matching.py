"""Names in a table of labels -> examples: by whole name, unique end, stem, number, in any case."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Key = Callable[[str], str]
SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")


def as_path(name: str) -> str:
    """Return a name from another system as a path below the source: `/` between parts, no drive, no `./`."""
    return re.sub(r"^([A-Za-z]:)?(\.?/)+", "", name.strip().replace("\\", "/"))


def _without_suffix(name: str) -> str:
    return SUFFIX.sub("", name)


def _number(name: str) -> str:
    """Return the number that a name without folders and suffix is; else nothing."""
    stem = _without_suffix(name)
    return str(int(stem)) if stem.isascii() and stem.isdigit() else ""


def _same(name: str) -> str:
    return name


def _folded_stem(name: str) -> str:
    return _without_suffix(name).casefold()


KEYS: tuple[Key, ...] = (_same, _without_suffix, str.casefold, _folded_stem, _number)
"""Ways to compare names, in the order in which they count."""


class Names:
    """Names of examples, to be found by what a table calls them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._exact = {name: k for k, name in enumerate(names)}
        self._ends: dict[Key, dict[str, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._exact

    def find(self, name: str) -> int | None:
        """Return the number of the example that a name means; None where there is none, or more than one."""
        if (number := self._exact.get(name, self._exact.get(name.strip()))) is not None:
            return number
        path = as_path(name)
        if not path:
            return None
        for key in KEYS:
            parts, ends = key(path).split("/"), self._by_end(key)
            for start in range(len(parts)):
                number = ends.get("/".join(parts[start:]))
                if number is not None and parts[-1]:
                    return number if number >= 0 else None
        return None

    def _by_end(self, key: Key) -> dict[str, int]:
        """Return end of a name -> its number, -1 where several end so; made at the first use."""
        if key in self._ends:
            return self._ends[key]
        ends = self._ends[key] = {}
        for number, name in enumerate(self._names):
            parts = name.split("/")
            for start in range(len(parts)):
                end = key("/".join(parts[start:]))
                if end:
                    ends[end] = number if ends.setdefault(end, number) == number else -1
        return ends
