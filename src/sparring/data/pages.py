"""Pages of a memory map, handed back to the system: the data may be larger than the memory."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def let_go(array: NDArray[Any]) -> None:
    """Unmap the pages that were touched; what was written stays, in the file or on its way to it."""
    with suppress(AttributeError, OSError, ValueError):  # not on Windows; there the system does it
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
