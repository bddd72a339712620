"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Options of glibc's `mallopt`."""
SETTINGS = {MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 28, TOP_PAD: 1 << 26}
"""Option -> bytes: larger blocks have pages of their own; more unused memory is given back; what is fetched at once."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensors, and return whether it does.

    By default each round of a training gives its activations back to the system, and the next one has every page
    cleared again: a sixth of the time on a CPU (docs/lab-notebook.md). Does nothing where the environment sets the
    allocator (`MALLOC_...`), and on systems without glibc.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all(mallopt(option, size) for option, size in SETTINGS.items())
