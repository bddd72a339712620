"""Files, addresses and names of data sets in a text, and what each is for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sparring.commands.solving.lexicon import words_of
from sparring.data.files.download import is_url
from sparring.data.known_names import COMMON_NOUNS, PublishedName, find_name, normalised
from sparring.data.registry import DIGITS
from sparring.data.web.hubs import is_hub

SUFFIXES = words_of(
    "zip tar gz tgz npz npy csv tsv data test parquet png jpg jpeg webp bmp gif tif tiff wav flac onnx pt json txt "
    "safetensors html"
)
"""Suffixes by which a word is a file."""
PICTURES = words_of("png jpg jpeg webp bmp gif tif tiff")
PATH = re.compile(r"(?:[A-Za-z]:)?[\w.~@%=+\0-]*(?:[/\\][\w.~@%=+\0-]+)*[/\\]?")
QUOTED = re.compile(r"[\"'“‘`]([^\"'“”‘’`]*[./\\][^\"'“”‘’`]*)[\"'”’`]")
"""A path in quotation marks, which may hold spaces."""
SPACE = "\0"
"""What stands for a space of a quoted path while a text is cut into words."""
OPENING, CLOSING = "('\"`[{“‘", ".,;:?!)'\"`]}”’"
"""Characters around a word that belong to the sentence."""
MAX_NAME_WORDS = 3
FEW_WORDS = 4
"""Words of a text so short that a noun in it is a data set."""
LEARNT = r"(?:train\w*|learn\w*|generators?|classifiers?|models?|gans?|networks?)"
AFTER_DATA = "(?:with|within|for|in|using|at|and)"
"""What stands around the name of a data set: "a generator on adult with ..."; not "on adult photos"."""
MIN_LETTERS = 5
"""Letters of the shortest word of a misspelt name of several words: "of mnist" is not "fmnist"."""


@dataclass(frozen=True)
class Mention:
    """A source that a text names."""

    text: str
    """As a SOURCE of the commands: a path, an address or a known name."""
    words: str
    """The words of the text."""
    role: str = "source"
    """source, model, samples, data, mask, labels or predict."""
    published: PublishedName | None = None
    """The data set of a name."""


def find_mentions(text: str) -> tuple[str, list[Mention]]:
    """Return the text in lower case with `<n>` in place of its n-th mention, and the mentions.

    A name that is a common noun as well is a mention only where there is no other one, and stays in the text.
    """
    text = QUOTED.sub(lambda match: match[1].replace(" ", SPACE), text)
    words = text.split()
    mentions, nouns, out, k = list[Mention](), list[Mention](), list[str](), 0
    while k < len(words):
        if words[k].startswith("--") and len(words[k]) > 2:  # options belong to the command line
            out.append(";")
            k += 2
            continue
        mention, count = _mention_at(words, k)
        if mention is None or (mention.published and normalised(mention.words) in COMMON_NOUNS):
            nouns += [] if mention is None else [mention]
            out.append(words[k].lower())
            k += 1
            continue
        if mention.text not in (known := [one.text for one in mentions]):
            mentions.append(mention)
            known.append(mention.text)
        last = words[k + count - 1]
        out.append(f"<{known.index(mention.text)}>{last[len(last.rstrip(CLOSING)) :]}")
        k += count
    return " ".join(out), mentions or [noun for noun in nouns[:1] if _is_data_set(noun, words)]


def _is_data_set(noun: Mention, words: list[str]) -> bool:
    """Return True where a common noun is meant as the data set of this name."""
    if noun.text == DIGITS or len(words) <= FEW_WORDS:
        return True
    name = re.escape(noun.words)
    named = rf"\b{name}\b,? (?:data|dataset|set|table)\b|\b{LEARNT} on (?:the )?{name}(?:$|[.,;]| {AFTER_DATA}\b)"
    return re.search(named, " ".join(words), re.I) is not None


def _mention_at(words: list[str], k: int) -> tuple[Mention | None, int]:
    """Return the mention that begins at word `k`, and how many words it has; the longest name counts."""
    word = words[k].lstrip(OPENING).rstrip(CLOSING)
    if is_url(word) or is_hub(word):
        return Mention(word, word), 1
    for count in range(min(MAX_NAME_WORDS, len(words) - k), 0, -1):
        part = words[k : k + count]
        if any(one.rstrip(CLOSING) != one for one in part[:-1]):
            continue  # a name does not go over a comma
        joined = " ".join(part).lstrip(OPENING).rstrip(CLOSING)
        known = find_name(joined) if "/" not in joined and "\\" not in joined else None
        is_exact = known is not None and normalised(joined) == known[1]
        if known and (is_exact or count == 1 or min(map(len, part)) >= MIN_LETTERS):
            return Mention(known[0].name, joined, published=known[0]), count
    return (Mention(word.replace(SPACE, " "), word.replace(SPACE, " ")), 1) if _is_path(word) else (None, 1)


def _is_path(word: str) -> bool:
    """Return True for what looks like a path: with a slash, or with a known suffix."""
    if not PATH.fullmatch(word) or not re.search(r"[A-Za-z]", word) or re.fullmatch(r"and/or|[a-z]/[a-z]?", word):
        return len(word) == 2 and Path(word).is_dir()
    return "/" in word or "\\" in word or (word.rpartition(".")[2].lower() in SUFFIXES and "." in word)


ATTACKED = r"\b(?:attack|fool|trick|certify) (?:my )?"
"""What stands before a model, where the text names data as well."""
VERSUS = r"(?:against|with|to|than) (?:the )?(?:real )?(?:\w+ (?:in|of) )?"
"""What stands between samples and the data that they are compared with."""
ROLES: tuple[tuple[str, Callable[[Mention, str, int], bool]], ...] = (
    ("mask", lambda m, text, k: "mask" in Path(m.text).stem.lower() or _near(text, k, r"\bmask (?:is |in )?")),
    ("labels", lambda m, text, k: "label" in Path(m.text).stem.lower() and m.text.endswith((".csv", ".tsv"))),
    ("predict", lambda m, text, k: _near(text, k, r"\bpredict (?:the )?(?:classes of |labels of |rows of )?")),
    ("model", lambda m, text, k: m.published is None and (m.text.startswith("runs/") or is_model(Path(m.text)))),
    ("model", lambda m, text, k: m.published is None and _near(text, k, ATTACKED) and text.count("<") > 1),
    ("data", lambda m, text, k: _is_real(text, k)),
    ("samples", lambda m, text, k: _near(text, k, r"\b(?:samples|fakes|made|generated)(?: \w+)? (?:in|of|from) ")),
)
"""Role -> whether a mention has it; the first one counts."""


def with_roles(mentions: Sequence[Mention], text: str) -> list[Mention]:
    """Return the mentions with their roles, by their forms and by the words around them in `text`."""
    roles = [
        replace(mention, role=next((role for role, has in ROLES if has(mention, text, k)), "source"))
        for k, mention in enumerate(mentions)
    ]
    stems = [Path(mention.text).stem.lower() for mention in mentions]
    if any("train" in stem for stem in stems):  # train.csv and test.csv
        roles = [
            replace(mention, role="predict") if mention.role == "source" and stem.startswith("test") else mention
            for mention, stem in zip(roles, stems, strict=True)
        ]
    return roles


def _near(text: str, k: int, before: str) -> bool:
    """Return True where the pattern `before` stands right before the k-th mention."""
    return re.search(rf"{before}<{k}>", text) is not None


def _is_real(text: str, k: int) -> bool:
    """Return True where the text calls the k-th mention real, or compares something with it."""
    real = r"(?:real|true|original|genuine)"
    return _near(text, k, VERSUS) or _near(text, k, rf"\b{real} (?:ones|data|\w+) (?:in|of|are) ") or bool(
        re.search(rf"<{k}> (?:is|are|has|holds) the {real}", text)
    )  # fmt: skip


def is_model(path: Path) -> bool:
    """Return True for a run folder, or a file of a network."""
    return path.suffix in (".onnx", ".pt") or any((path / name).exists() for name in ("run.json", "classifier.json"))
