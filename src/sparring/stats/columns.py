"""Choose columns of a table of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def most_different(x: NDArray[Any], groups: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the indices of up to `count` columns of x `[N, d]` that differ most among groups `[N]`, in their order.

    Compared are means, and mean deviations from the median, beside the deviation within the groups. What shows in
    several columns together alone is not seen.
    """
    if x.shape[1] <= count:
        return np.arange(x.shape[1])
    gap = np.zeros(x.shape[1])
    for values in (x, np.abs(x - np.median(x, 0))):
        parts = [values[groups == k] for k in np.unique(groups)]
        means = np.stack([part.mean(0) for part in parts])
        within = np.sqrt(np.mean([part.var(0) for part in parts], 0))
        gap = np.maximum(gap, means.std(0) / (within + 1e-6))
    return np.sort(np.argsort(-gap, kind="stable")[:count])
