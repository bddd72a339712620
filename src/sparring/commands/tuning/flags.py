"""Flags of the search for settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True)
class SearchFlags:
    """The search."""

    trials: Annotated[int, arg(metavar="N")] = 20
    """Number of trials; the first has the recipe's own settings."""
    repeats: Annotated[int, arg(metavar="N")] = 3
    """Fresh seeds on which the best settings and the recipe's own are compared; 0: no comparison."""
    sampler: Annotated[str, arg(metavar="NAME")] = "gp"
    """How settings are suggested: gp, by a Gaussian process, or random."""
    storage: Annotated[str | None, arg(metavar="URL", help_behavior_hint="(default: a file in the folder)")] = None
    """Storage that several machines share: a file, or the URL of a database (sqlite:///..., postgresql://...)."""
