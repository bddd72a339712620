"""Whose unfinished work is it? What a live process builds is left alone, what a killed one left behind is taken."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path

WEEK = 7 * 24 * 3600
"""Seconds after which the work of a process that cannot be asked counts as abandoned."""


def owner() -> str:
    """This process, as a part of a file's name."""
    return f"{_machine()}-{os.getpid()}"


def is_abandoned(path: Path, owner: str) -> bool:
    """True if the `owner` of `path` is gone: its process is dead or, where that cannot be known, `path` is a week old."""
    machine, _, pid = owner.rpartition("-")
    if machine == _machine() and pid.isdigit() and os.name == "posix":  # elsewhere os.kill would end it
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # another user's
            return False
        return False
    try:
        return time.time() - path.stat().st_mtime > WEEK
    except OSError:
        return False


def _machine() -> str:
    return re.sub("[^A-Za-z0-9]", "", platform.node())[:32] or "here"
