"""Which arrays of a source hold examples, which their labels, and of which split: by the words in their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sparring.data.roles.layout import several_data_sets
from sparring.data.roles.words import Split, split_word

LABEL_OF = {
    "x": "y", "images": "labels", "image": "label", "imgs": "labels", "img": "label", "data": "labels",
    "pixels": "labels", "inputs": "targets", "input": "target", "features": "labels", "series": "labels",
    "signals": "labels", "arr_0": "arr_1",
}  # fmt: skip
"""Word for arrays of examples -> the usual word for their labels."""
LABELS = frozenset({"y", "labels", "label", "lbl", "lbls", "targets", "target", "class", "classes", "arr_1"})
"""Words for arrays of labels."""
PASSED = frozenset({"fine", "all", "np", "npy", "idx1", "idx2", "idx3", "idx", "ubyte", "int"})
"""Words that say nothing more."""


class Pair(NamedTuple):
    """An array of examples, and that of their labels."""

    x: str
    y: str
    """Key of the labels, which may not be there."""
    split: Split


class ArrayName(NamedTuple):
    """What the name of an array says."""

    key: str
    word: str
    group: tuple[str, ...]
    """What is beside the words: arrays of one set have it in common."""
    split: Split | None
    part: str
    """The name of the split."""


def pair_arrays(keys: Sequence[str]) -> list[Pair]:
    """Return the arrays of examples among these keys, the training ones first; none where no name tells.

    A key is a path below the source, or a name in a file. Raises SparringError on several data sets.
    """
    names = [parse_name(key) for key in keys]
    labels = {(name.group, name.part): name.key for name in reversed(names) if name.word in LABELS}
    examples = [name for name in names if name.word in LABEL_OF]
    by_group: dict[tuple[str, ...], list[ArrayName]] = defaultdict(list)
    for name in examples:
        by_group[name.group].append(name)
    if len(by_group) > 1 and () not in by_group and labels:
        raise several_data_sets("", [" ".join(group) for group in by_group])
    used = by_group.get((), examples)
    pairs = [
        Pair(name.key, labels.get((name.group, name.part)) or _label_key(name), name.split or "train") for name in used
    ]
    return sorted(pairs, key=lambda pair: pair.split != "train")


def _label_key(name: ArrayName) -> str:
    """Return what the labels of an array would be called."""
    folder, slash, last = name.key.rpartition("/")
    return folder + slash + last.replace(name.word, LABEL_OF[name.word], 1)


def parse_name(key: str) -> ArrayName:
    """Return the word of an array's name, its split, and what is beside both."""
    *folders, last = key.lower().split("/")
    rest, word, split, name = list[str](), "", None, ""
    for part in [last] if last in ("arr_0", "arr_1") else re.split(r"[^a-z0-9]+", last):
        if (named := split_word(part)) and named.exact:
            split, name = named.split, part
        elif not word and (part in LABEL_OF or part in LABELS):
            word = part
        elif part and part not in PASSED:
            rest.append(part)
    for folder in folders:
        named = split_word(folder)
        if named and split is None:
            split, name = named.split, folder
        else:
            rest.insert(0, folder)
    return ArrayName(key, word, tuple(rest), split, name)
