"""What the doctor finds in a run, as a typed object: one sentence, the figure behind it, and what to try next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["well", "notice", "ill"]


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor says of a run."""

    illness: str
    """"collapse", "overfit", "leak", "dominant", "starved"; or what is none: "improving", "done", "healthy"."""
    severity: Severity
    """"well": as it should be. "notice": worth knowing. "ill": the samples suffer from it."""
    words: str
    """One sentence for people."""
    figure: str = ""
    """The number behind it, in words."""
    advice: str = ""
    """The next flag to try, `--augment ada`; empty where there is nothing to do."""
