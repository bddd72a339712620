"""Examples that come from the page, drawn or uploaded: kept below the folder of runs, so that an address names them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.atomic_io import explain_os_errors, remove, write
from sparring.engine.errors import SparringError, UsageError

MOST = 200
"""Examples that are kept; the oldest make room."""


def keep_example(folder: Path, row: NDArray[Any]) -> str:
    """Store one row and return its id, which depends on the content alone."""
    content = io.BytesIO()
    np.save(content, row, allow_pickle=False)
    name = hashlib.blake2b(content.getvalue(), digest_size=8).hexdigest()
    place = _place(folder)
    with explain_os_errors(place):
        write(place / f"{name}.npy", content.getvalue())
        for old in sorted(place.glob("*.npy"), key=lambda path: path.stat().st_mtime_ns)[:-MOST]:
            remove(old)
    return name


def kept_example(folder: Path, name: str) -> NDArray[Any]:
    """Return the row of an id; raise UsageError where it is not kept. No path is made of `name`."""
    path = next((path for path in _place(folder).glob("*.npy") if path.stem == name), None)
    if path is None:
        raise UsageError("this drawing or file is not kept any more: draw or choose it again")
    try:
        row: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SparringError(f"{path} is damaged: draw or choose the example again") from error
    return row


def _place(folder: Path) -> Path:
    return folder / ".studio" / "examples"
