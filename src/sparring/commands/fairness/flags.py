"""Flags of groups that a classifier is to treat alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg


@dataclass(frozen=True)
class FairnessFlags:
    """Groups that are to be treated alike."""

    protect: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of groups to treat alike, or several with commas, which is no input of the classifier: several methods are
    tried, one is chosen. --protect COLUMN --help shows the further flags."""
    protect_from: Annotated[str | None, arg(metavar="PATTERN", help_behavior_hint="")] = None
    """Place of the group to treat alike in names of files, as in '{label}_{group}_*.wav'."""
    see_protected: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Use of the protected column as an input, and of thresholds for each group."""
    gap: Annotated[float | None, arg(metavar="G", help_behavior_hint="(default: 0.03)")] = None
    """Largest gap between groups, on validation examples, of the classifier that is chosen."""
