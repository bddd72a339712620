"""What image files tell beside their pixels: size, format, camera, software, time."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from sparring.data.files.archive import Container, suffix

EXIF = {"camera": Base.Model, "software": Base.Software, "time": Base.DateTime}


def file_facts(container: Container, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return columns `[N]` of facts on the image files `names`: numbers, or codes of words, NaN for a gap.

    A column with one value alone is left out. A file that cannot be read has gaps.
    """
    facts: dict[str, list[float | str]] = defaultdict(list)
    for name in names:
        for column, value in _facts(container, name).items():
            facts[column].append(value)
    columns = {column: _as_numbers(values) for column, values in facts.items()}
    return {column: values for column, values in columns.items() if len(np.unique(values)) > 1}


def _facts(container: Container, name: str) -> dict[str, float | str]:
    facts: dict[str, float | str] = dict.fromkeys(("width", "height", "bytes", *EXIF), np.nan) | {
        "format": suffix(name)
    }
    try:
        content = container.read(name)
        with Image.open(io.BytesIO(content)) as image:
            exif = image.getexif()
            size = {"width": float(image.width), "height": float(image.height), "bytes": float(len(content))}
            return facts | size | {word: str(exif[tag]).strip("\0 ") for word, tag in EXIF.items() if tag in exif}
    except Exception:  # whatever a damaged file makes the decoder raise
        return facts


def _as_numbers(values: list[float | str]) -> NDArray[np.float64]:
    """Return numbers as they are, words as codes in their order: times in the form of EXIF rise."""
    words = sorted({value for value in values if isinstance(value, str)})
    codes = {word: float(code) for code, word in enumerate(words)}
    return np.array([codes[value] if isinstance(value, str) else value for value in values])
