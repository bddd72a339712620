"""Memory maps larger than memory: hand their pages back."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def let_go(array: NDArray[Any]) -> None:
    """Unmap the pages that were touched, if `array` looks into a map; what was written stays on its way to the file."""
    base: object = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if isinstance(base, mmap.mmap):
        with suppress(AttributeError, OSError, ValueError):  # not on Windows; there the system does it
            base.madvise(mmap.MADV_DONTNEED)
