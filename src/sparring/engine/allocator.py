"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Options of glibc's `mallopt`."""
ENVIRONMENT = ("MALLOC_", "GLIBC_TUNABLES")
"""Beginnings of the names of environment variables that set the allocator."""
SETTINGS = {MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 28, TOP_PAD: 1 << 26}
"""Option -> bytes. Blocks from 32 MiB on, glibc's limit, get pages of their own. Unused memory is given back beyond
256 MiB. 64 MiB are fetched at once."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensors, and return whether it does.

    By default each round of a training gives activations back to the system, and gets cleared pages in the next one
    (docs/results.md). Does nothing where the environment sets the allocator, and on systems without glibc.
    """
    if not sys.platform.startswith("linux") or any(name.startswith(ENVIRONMENT) for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all(mallopt(option, size) for option, size in SETTINGS.items())
