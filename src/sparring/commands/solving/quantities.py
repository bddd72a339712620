"""Numbers with units in a text: minutes, labels, radii, privacy, counts. A number without a meaning is no task."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from sparring.commands.solving.lexicon import MINUTES_OF, THINGS

NEGATIVE = re.compile(r"(?<!\S)-\d[\d,.]*")
"""A number below 0, which no part of a task has."""
NUMBER = r"(?<!-)(\d[\d,]*(?:\.\d+)?(?:/\d+)?k?)"
ANY_NUMBER = re.compile(r"(?<![<\w.(-])\d[\d,]*(?:\.\d+)?(?:/\d+)?k?(?![\w>])")


class Quantity(NamedTuple):
    """A number that a text states."""

    value: float
    words: str
    """The words that state it."""
    span: tuple[int, int]
    """Where they stand in the text."""


def _minutes(match: re.Match[str]) -> float:
    return to_number(match[1]) * MINUTES_OF[re.sub(r"s$", "", match[2]) or "s"]


def _first(match: re.Match[str]) -> float:
    return to_number(next(group for group in match.groups() if group))


PATTERNS: dict[str, tuple[re.Pattern[str], Callable[[re.Match[str]], float]]] = {
    "minutes": (re.compile(NUMBER + r"[ -]?(seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h)\b"), _minutes),
    "labels": (
        re.compile(
            NUMBER + r" (?:of (?:[\w'<>/-]+ ){1,5}(?:(?:are |is )?labell?ed|(?:have|has) (?:a )?labels?)|"
            r"labels?\b(?! per)|labell?ed\b|(?:[\w-]+ )"
            r"?(?:are|is) labell?ed|pieces)|labell?(?:ed)? (?:only |just )?" + NUMBER + " of"
        ),
        _first,
    ),
    "private": (re.compile(r"(?:privacy|private)\b.{0,30}?epsilon (?:=|of|is)? ?" + NUMBER), _first),
    "eps": (
        re.compile(
            r"\b(?:eps|epsilon|radius|radii)(?: ?=| of| is| up to)? ?" + NUMBER
            + r"|(?:up to|at most|within|of|by|by more than) (0?\.\d+|\d+/255)|(\d+(?:\.\d+)?/255)"
        ),
        _first,
    ),
    "count": (
        re.compile(
            NUMBER + r" (?:new |more |fresh |further |synthetic |made )+(?:" + THINGS + r")\b|(?:write|save|draw|make|"
            r"give me|generate|sample) " + NUMBER + r" (?:" + THINGS + r")\b|" + NUMBER + r" (?:new|samples)\b"
        ),
        _first,
    ),
}  # fmt: skip
"""Name of a quantity -> its phrase, and its value."""
OTHER_MEANINGS = (
    re.compile(r"(?:more|less|fewer|over|under|above|below|greater|smaller|higher|lower)(?: than)? " + NUMBER),
    re.compile(r"\b(?:the|these|those|my|our) " + NUMBER),
    re.compile(r"(?:of|out of) (?:the |my )?" + NUMBER + r" (?:" + THINGS + ")"),
    re.compile(NUMBER + r" (?:times|x|pixels|labels? per|hz|khz|bits?|columns?|classes|categories|steps)\b"),
    re.compile(NUMBER + r" (?:of|or|per) "),
    re.compile(r"(?:" + THINGS + "|class|row|line|version|year|page|no|number) " + NUMBER),
    re.compile(r"\b(?:19|20)\d\d\b"),
)
"""Numbers that say something about the data, and are no settings."""


def to_number(text: str) -> float:
    """Return the value of `1,000`, `8/255`, `4k` or `2.5`."""
    text = text.replace(",", "")
    if text.endswith("k"):
        return float(text[:-1]) * 1000
    top, _, bottom = text.partition("/")
    if bottom:
        return float(top) / float(bottom) if float(bottom) else math.inf
    return float(top)


def find_quantities(text: str) -> tuple[dict[str, Quantity], list[str]]:
    """Return the quantities of a text in lower case, and the numbers that have no meaning here.

    A number has one meaning.
    """
    quantities = dict[str, Quantity]()
    for name, (pattern, value) in PATTERNS.items():
        if match := pattern.search(text):
            quantities[name] = Quantity(value(match), match[0].strip(), match.span())
            text = _blanked(text, match)
    for pattern in OTHER_MEANINGS:
        while match := pattern.search(text):
            text = _blanked(text, match)
    return quantities, [*NEGATIVE.findall(text), *ANY_NUMBER.findall(text)]


def _blanked(text: str, match: re.Match[str]) -> str:
    return text[: match.start()] + " " * len(match[0]) + text[match.end() :]
