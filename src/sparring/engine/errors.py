"""Exceptions with exit codes. Each message names what is wrong and what to do.

SparringError           exit code 1: the work failed
├── Diverged            a loss or a weight became NaN or infinite
└── UsageError          exit code 2: the command was wrong
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SparringError(Exception):
    """The work failed. Exit code 1."""

    exit_code = 1


class Diverged(SparringError):
    """A loss or a weight became NaN or infinite."""


class UsageError(SparringError):
    """The command or the call was wrong; nothing was started. Exit code 2."""

    exit_code = 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known name most similar to `name`, or with all known names if none is similar.

    >>> did_you_mean("dcgn", ["dcgan", "r3"])
    "did you mean 'dcgan'?"
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
