"""Names in a table of labels -> examples: by whole name, unique end, stem, number, in any case."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

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


class Names:
    """Names of examples, to be found by what a table calls them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._exact = {name: k for k, name in enumerate(names)}

    def __contains__(self, name: str) -> bool:
        return name in self._exact

    def find(self, name: str) -> int | None:
        """Return the number of the example that a name means; None where there is none, or more than one."""
        if (number := self._exact.get(name, self._exact.get(name.strip()))) is not None:
            return number
        path = as_path(name)
        if not path:
            return None
        for ends, key in self._ends:
            parts = key(path).split("/")
            for start in range(len(parts)):
                number = ends.get("/".join(parts[start:]))
                if number is not None and parts[-1]:
                    return number if number >= 0 else None
        return None

    @cached_property
    def _ends(self) -> list[tuple[Mapping[str, int], Key]]:
        """End of a name -> its number, -1 where several end so; in the order in which they count."""
        keys: list[Key] = [
            str, _without_suffix, str.casefold, lambda name: _without_suffix(name).casefold(), _number,
        ]  # fmt: skip
        return [(self._by_end(key), key) for key in keys]

    def _by_end(self, key: Key) -> dict[str, int]:
        ends: dict[str, int] = {}
        for number, name in enumerate(self._names):
            parts = name.split("/")
            for start in range(len(parts)):
                end = key("/".join(parts[start:]))
                if end:
                    ends[end] = number if ends.setdefault(end, number) == number else -1
        return ends
