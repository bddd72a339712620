"""Pictures that annotate others: masks and segmentations, in folders or beside the pictures they belong to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sparring.data.roles.words import GENERIC, INPUT_END, MASK_END, MASKS, MASKS_BESIDE_IMAGES, plain

NEARLY_ALL = 0.9
"""Fraction of masks that have the picture they belong to."""
LEAST_PAIRS = 4
"""Masks beside their pictures from which names are evidence enough."""
REASON = "is a mask of another picture"


class Masks(NamedTuple):
    """Masks among pictures."""

    left_out: dict[int, str]
    """Number of a picture -> reason it is left out."""
    places: dict[str, tuple[int, str]]
    """Folder -> number of masks in it, and the evidence."""


def find_masks(files: Sequence[tuple[tuple[str, ...], str]]) -> Masks:
    """Return the masks among pictures of these folders and stems; none where they would be all."""
    places = _mask_folders(files)
    left_out = {
        k: REASON
        for k, (folders, _) in enumerate(files)
        if any(folders[: d + 1] in places for d in range(len(folders)))
    }
    masks = Masks(left_out, {"/".join(place): (0, reason) for place, reason in places.items()})
    if not left_out or len(left_out) == len(files):
        return _mask_files(files)
    counts = Counter(
        "/".join(next(folders[: d + 1] for d in range(len(folders)) if folders[: d + 1] in places))
        for k, (folders, _) in enumerate(files)
        if k in left_out
    )
    return Masks(
        left_out, {place: (counts[place], reason) for place, (_, reason) in masks.places.items() if counts[place]}
    )


def _mask_folders(files: Sequence[tuple[tuple[str, ...], str]]) -> dict[tuple[str, ...], str]:
    """Return the folders of masks, and the evidence for each."""
    siblings: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for folders, _ in files:
        for depth in range(len(folders)):
            siblings[folders[:depth]].add(folders[depth])
    places: dict[tuple[str, ...], str] = {}
    for parent, names in siblings.items():
        images = [name for name in names if plain(name) in GENERIC]
        for name in names:
            if plain(name) in MASKS and len(names) > 1:
                places[*parent, name] = f"a folder called {name}"
            elif plain(name) in MASKS_BESIDE_IMAGES and images:
                places[*parent, name] = f"a folder called {name} beside {images[0]}"
    return places


def _mask_files(files: Sequence[tuple[tuple[str, ...], str]]) -> Masks:
    """Return the pictures whose stems are those of others and the word of a mask."""
    stems = {(folders, INPUT_END.sub("", stem).lower()) for folders, stem in files if not MASK_END.search(stem)}
    marked = {k: MASK_END.sub("", stem).lower() for k, (_, stem) in enumerate(files) if MASK_END.search(stem)}
    paired = [k for k, base in marked.items() if (files[k][0], base) in stems]
    if len(paired) < LEAST_PAIRS or len(paired) < NEARLY_ALL * len(marked):
        return Masks({}, {})
    counts = Counter("/".join(files[k][0]) for k in paired)
    reason = f"names such as {files[paired[0]][1]} beside the pictures: {len(paired):,} of {len(marked):,}"
    return Masks(dict.fromkeys(paired, REASON), {place: (count, reason) for place, count in counts.items()})
