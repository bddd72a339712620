"""Open private images: what is read of one of them does not depend on the others."""

from __future__ import annotations

from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError


def open_private_images(source: str, options: ReadOptions, progress: Progress) -> Dataset:
    """Return the training images; all of them, unless the source itself marks some for testing.

    A test split that is drawn, and the choice among copies, would make neighbouring data differ in many rows. Raises
    UsageError where numbers are scaled by the range of all.
    """
    data = open_source(source, options, keep_duplicates=True, on_progress=progress.callback("reading"))
    if getattr(data.spec, "scale", None) is not None:
        raise UsageError(
            f"{source} holds numbers that are scaled by the range of all, which depends on the rows: convert them to "
            "bytes from 0 to 255 by a public range first"
        )
    return data if data.report.test_marked else data.split(None)
