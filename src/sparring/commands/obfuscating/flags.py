"""Flags of the group that an obfuscator hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True)
class HiddenFlags:
    """The group to hide."""

    protect: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of the groups to hide, which is no part of the replacements."""
    protect_from: Annotated[str | None, arg(metavar="PATTERN", help_behavior_hint="")] = None
    """Place of the group to hide in names of files, as in '{label}_{group}_*.wav'."""
