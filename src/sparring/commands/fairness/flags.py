"""Flags of groups that a classifier is to treat alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg


@dataclass(frozen=True)
class FairnessFlags:
    """Groups that are to be treated alike."""

    protect: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of groups to treat alike, which the classifier does not see: several methods are tried, one is chosen.
    --protect COLUMN --help shows the further flags."""
    protect_from: Annotated[str | None, arg(metavar="PATTERN", help_behavior_hint="")] = None
    """The same for files: where their names hold the group, as in '{label}_{group}_*.wav'."""
    see_protected: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Let classifiers see the protected column, and thresholds be chosen for each group."""
    gap: Annotated[float | None, arg(metavar="G", help_behavior_hint="(default: 0.03)")] = None
    """Largest gap between groups, on validation examples, of the classifier that is chosen."""
