"""Numbers that are written in words, as digits."""

from __future__ import annotations

import re

UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "dozen": 12}
NUMBER = "|".join(sorted([*UNITS, *TENS, *SCALES], key=len, reverse=True))
PHRASE = re.compile(rf"\b(?:a )?(?:(?:{NUMBER})(?:[ -](?:and )?|\b))*(?:{NUMBER})\b")
KEPT = frozenset({"one", "zero"})
"""Words that are seldom numbers by themselves."""


def with_digits(text: str) -> str:
    """Return the text with digits in place of numbers in words.

    >>> with_digits("two hundred and fifty labels in an hour and a half")
    '250 labels in 1.5 hours'
    """
    text = re.sub(r"\ban? (hour|minute) and a half\b", r"1.5 \1s", text)
    text = re.sub(r"\bhalf an? (hour|minute)\b", r"0.5 \1s", text)
    text = re.sub(r"\ba quarter of an hour\b", "0.25 hours", text)
    text = PHRASE.sub(_value, text)
    text = re.sub(r"\b(\d+) and a half (hours?|minutes?)\b", r"\1.5 \2", text)
    return re.sub(r"\b(?:an|a|one) (hour|minute)\b(?! of)", r"1 \1", text)


def _value(match: re.Match[str]) -> str:
    words = re.findall(r"[a-z]+", match[0].removeprefix("a "))
    if match[0] in KEPT:
        return match[0]
    total, part = 0, 0
    for word in words:
        if word in SCALES:
            part = max(part, 1) * SCALES[word]
            if SCALES[word] == 1000:
                total, part = total + part, 0
        else:
            part += UNITS.get(word, 0) + TENS.get(word, 0)
    return str(total + part)
