"""Keyword arguments that say how a source is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from sparring.data.images.shape import parse_size
from sparring.data.reader_api import ReadOptions


class ReadKeywords(TypedDict, total=False):
    """The fields of `ReadOptions`, with `size` as text, or one number for a square, too."""

    kind: str | None
    size: str | int | tuple[int, int] | None
    mode: str | None
    label: str | None
    label_from: str | None
    part: str | None
    name_encoding: str | None
    force: bool
    names: tuple[str, ...]
    drop: tuple[str, ...]
    categorical: tuple[str, ...]
    delimiter: str | None
    time: str | None
    window: int | None
    validation: bool
    hop: int | None
    code: str | None
    whole: bool
    stream: bool
    pair_with: str | None
    by: str | None


def read_options(keywords: Mapping[str, Any]) -> ReadOptions:
    """Return the options that the keywords describe; a list is taken as a tuple."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in keywords.items()
    }
    return ReadOptions(**{**values, "size": parse_size(values.get("size"))})
