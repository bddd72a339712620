"""Classes that vanish because none of their files can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparring.data.files.archive import suffix
from sparring.data.files.signatures import PICTURES, SOUNDS
from sparring.data.readers.audio import SOUND_SUFFIXES
from sparring.data.readers.images import SUFFIXES as IMAGE_SUFFIXES
from sparring.data.roles.words import UNLABELLED, plain

EXAMPLES = IMAGE_SUFFIXES | SOUND_SUFFIXES | PICTURES | SOUNDS
"""Suffixes of files that were meant as examples; a folder of others is none of a class."""
DUPLICATE = "is a duplicate of another file"
NO_LOSS = frozenset(["is hidden", DUPLICATE])
"""Reasons for which no class is missed."""


def emptied_classes(used: Sequence[tuple[str, str | None]], skipped: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a note on each folder beside those of classes of which no file is used.

    `used` are names and labels of the examples, `skipped` are names by reason.
    """
    there = [*(name for name, _ in used), *skipped.get(DUPLICATE, ())]
    folders = {tuple(name.split("/")[:-1]) for name in there}
    full = {folder[: k + 1] for folder in folders for k in range(len(folder))}
    parents = {
        folder[: folder.index(label)]
        for name, label in used
        if label is not None and label in (folder := tuple(name.split("/")[:-1]))
    }
    lost: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for reason, names in skipped.items():
        for name in names if reason not in NO_LOSS else ():
            folder = tuple(name.split("/")[:-1])
            for k in range(len(folder)):
                if folder[:k] in parents and folder[: k + 1] not in full and suffix(name) in EXAMPLES:
                    lost.setdefault(folder[: k + 1], []).append((name, reason))
    return [
        f"class '{path[-1]}' is gone: none of its {len(files):,} files can be used ({files[0][0]} {files[0][1]})"
        for path, files in lost.items()
        if plain(path[-1]) not in UNLABELLED
    ]
