"""Guess the kind of data in a source by names and first bytes."""

from __future__ import annotations

from sparring.data.archive import Container
from sparring.data.reader_api import ReadOptions
from sparring.engine.data_spec import DataSpec


def kind_of(container: Container, options: ReadOptions, like: DataSpec | None) -> tuple[str, str]:
    """Return the kind of data in a container, and the evidence for it."""
    if options.kind is not None:
        return options.kind, f"--kind {options.kind}"
    return "image", "nothing else is read yet"
