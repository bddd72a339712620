"""Find what test rows share with training rows: values of a column that names persons or places, and their time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_ROWS = 1.5
"""Smallest mean number of rows of a group."""
GROUP = re.compile(
    r"(^|[\W_])(id|uid|user|person|patient|subject|participant|customer|client|account|speaker|household|family"
    r"|group|session|device|machine|site|school|hospital|store|case)(s?[\W_]*(id|no|nr|number|code|name)s?)?$",
    re.IGNORECASE,
)


class SharedGroups(NamedTuple):
    """Groups of rows that are in both splits."""

    total: int
    """Number of groups."""
    shared: tuple[str, ...]
    """Those in both splits, in order."""


def names_groups(column: str) -> bool:
    """Return whether the name of a column says that its values are persons, places or the like."""
    return GROUP.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)) is not None


def shared_groups(values: Sequence[str], is_test: NDArray[np.bool_]) -> SharedGroups | None:
    """Return the groups of rows with equal `values` that are in both splits; None where there are no groups.

    Empty values are gaps. Values that hardly repeat are no groups.
    """
    words = np.array(values)
    present = words != ""
    groups = np.unique(words[present])
    if len(groups) < 2 or present.sum() < MIN_ROWS * len(groups):
        return None
    shared = np.intersect1d(words[present & is_test], words[present & ~is_test])
    return SharedGroups(len(groups), tuple(shared.tolist()))


def later_training_rows(times: NDArray[np.float64], is_test: NDArray[np.bool_]) -> float:
    """Return the proportion of training rows that are later than the median test row; NaN times are left out."""
    test, training = (times[part & np.isfinite(times)] for part in (is_test, ~is_test))
    return float((training > np.median(test)).mean()) if len(test) and len(training) else 0.0
