"""Flags of a training that keeps its rows private. The command line imports this module before torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True)
class PrivacyFlags:
    """Differential privacy of the training rows."""

    private: Annotated[float | None, arg(metavar="EPSILON", help_behavior_hint="")] = None
    """Largest privacy loss epsilon of a training row: 1 is strong, 10 is weak."""
    delta: Annotated[float | None, arg(metavar="D", help_behavior_hint="(default: 1e-5 or less)")] = None
    """Probability that the bound epsilon fails; below one by the number of rows."""


@dataclass(frozen=True)
class PrivateTrainFlags(PrivacyFlags):
    """Differential privacy of the training rows, and what is public of them."""

    schema: Annotated[str | None, arg(metavar="JSON", help_behavior_hint="")] = None
    """Public schema of a private table: columns, ranges and values that are known without the rows."""
