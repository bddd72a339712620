"""Guess the kind of data in a source by names and first bytes."""

from __future__ import annotations

from sparring.data.archive import Container, is_hidden, suffix
from sparring.data.reader_api import ReadOptions
from sparring.data.readers.audio import SOUND_SUFFIXES
from sparring.data.readers.images import SUFFIXES as IMAGE_SUFFIXES
from sparring.engine.data_spec import DataSpec


def kind_of(container: Container, options: ReadOptions, like: DataSpec | None) -> tuple[str, str]:
    """Return the kind of data in a container, and the evidence for it."""
    if options.kind is not None:
        return options.kind, f"--kind {options.kind}"
    names = [name for name in container.names if not any(map(is_hidden, name.split("/")))]
    sounds = sum(suffix(name) in SOUND_SUFFIXES for name in names)
    pictures = sum(suffix(name) in IMAGE_SUFFIXES for name in names)
    if sounds > pictures:
        return "audio", _count(sounds, "sound file")
    if pictures:
        return "image", _count(pictures, "image file")
    return "image", "no recordings, tables or series"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count > 1)}"
