"""What can go wrong, as a user meets it: a message that names the thing and the way out, and an exit code.

SparringError           exit code 1: the work failed
├── Diverged            a loss or a weight is no longer a finite number
└── UsageError          exit code 2: the command was wrong
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SparringError(Exception):
    """The work failed; the message names what, where and the way out."""

    exit_code = 1


class Diverged(SparringError):
    """A loss or a weight is no longer a finite number."""


class UsageError(SparringError):
    """The command or the call was wrong; nothing was started."""

    exit_code = 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint naming the known name closest to `name`, or all known names where none is close.

    >>> nearest("dcgn", ["dcgan", "r3"])
    "did you mean 'dcgan'?"
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
