"""Flags of `sparring sample` on what is given of its samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True)
class ConditionFlags:
    """What is given."""

    given: Annotated[str | None, arg(metavar="FILE|COLUMN=VALUE,...", help_behavior_hint="")] = None
    """Picture to complete, with a density model (pixelcnn, rbm, dbm); -n is the number of fills. Of a table: values of
    any columns, "sex=Female,age=40", or a csv file whose gaps are filled. Of pairs: one half, to which the other is
    generated."""
    mask: Annotated[str | None, arg(metavar="MASK", help_behavior_hint="")] = None
    """Mask of --given: white where pixels are known, black where to fill."""
    constraint: Annotated[tuple[str, ...], arg(metavar="CONDITION ...", help_behavior_hint="")] = ()
    """Conditions that every row of a table meets: "hours <= 99" "age > 17"."""
