"""Flags of the task of a restoration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg


@dataclass(frozen=True)
class RestorationFlags:
    """The task: give one."""

    mask: Annotated[str | None, arg(metavar="M", help_behavior_hint="")] = None
    """Picture of the same size: white is kept, black is filled."""
    noise: Annotated[tuple[float, ...] | None, arg(metavar="[SIGMA]", help_behavior_hint="")] = None
    """Remove noise of this standard deviation, in grey levels of 255; without a number it is estimated."""
    scale: Annotated[int | None, arg(metavar="2|4", help_behavior_hint="")] = None
    """Enlarge by 2 or 4."""
    jpeg: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Remove the artefacts of JPEG."""
