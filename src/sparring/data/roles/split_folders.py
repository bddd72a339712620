"""Which folders beside each other are the splits of one set: by words in their names, and by the classes in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sparring.data.roles.words import GENERIC, UNLABELLED, Split, SplitWord, plain, split_word

NEARLY_ALL = 0.9
"""Fraction of the examples that decides."""


def choose_splits(heads: Mapping[str, tuple[int, frozenset[str]]]) -> dict[str, SplitWord]:
    """Return the names that stand for splits, of folders with their counts and subfolders; none where they do not.

    All are called so, or train and test are both there, or words with a prefix or suffix cover nearly all examples.
    A folder with the classes of a training split is a split as well.
    """
    words = {name: word for name in heads if (word := split_word(name))}
    exact = {name: word for name, word in words.items() if word.exact}
    others = [name for name in heads if name not in exact and plain(name) not in UNLABELLED]
    total = sum(heads[name][0] for name in heads if plain(name) not in UNLABELLED)
    both = {word.split for word in exact.values()} == {"train", "test"}
    if exact and not others:
        return exact
    covered = sum(heads[name][0] for name in words)
    two_sided = {word.split for word in words.values()} == {"train", "test"}
    if two_sided and covered >= NEARLY_ALL * total and (both or _rests_fit(words)):
        return words
    selected = (
        {**exact, **{n: w for n, w in words.items() if plain(w.rest) in GENERIC or w.rest.isdigit()}} if both else {}
    )
    trained = [heads[name][1] for name, word in words.items() if word.split == "train" and (word.exact or both)]
    classes = frozenset[str]().union(*trained) if trained else frozenset()
    alike = [name for name in others if name not in selected and _share_classes(heads[name][1], classes)]
    if alike and (both or set(others) == set(alike)):
        selected = {**exact, **selected, **{name: SplitWord("test", "", False) for name in alike}}
    return selected


def _share_classes(subfolders: frozenset[str], classes: frozenset[str]) -> bool:
    return len(classes) > 1 and len(subfolders & classes) > len(subfolders) / 2


def _rests_fit(words: Mapping[str, SplitWord]) -> bool:
    """Return True where what is beside the words says nothing, or is the same for several splits."""
    by_rest: dict[str, set[str]] = defaultdict(set)
    for name, word in words.items():
        by_rest[plain(word.rest)].add(name)
    splits = {rest: {words[name].split for name in names} for rest, names in by_rest.items()}
    return all(len(splits[rest]) > 1 or rest in GENERIC or rest.isdigit() or len(by_rest) == 1 for rest in by_rest) or (
        _one_rest_is_common(by_rest, splits)
    )


def _one_rest_is_common(by_rest: Mapping[str, set[str]], splits: Mapping[str, set[Split]]) -> bool:
    return any(len(splits[rest]) > 1 and len(by_rest[rest]) * 2 > len(by_rest) + 1 for rest in by_rest)


def rests_as_classes(words: Mapping[str, SplitWord]) -> bool:
    """Return True for names such as trainA, trainB, testA and testB: what is beside the word is the class."""
    of = {split: {w.rest for w in words.values() if w.split == split} for split in ("train", "test")}
    return len(of["train"]) > 1 and of["train"] == of["test"] and not any(rest.isdigit() for rest in of["train"])


def doubles(inner: str, outer: str, word: SplitWord) -> bool:
    """Return True for a folder of a split that lies in another of the same split."""
    again = split_word(inner)
    return inner == outer or (again is not None and again.exact and again.split == word.split)
