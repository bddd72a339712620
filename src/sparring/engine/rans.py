"""Entropy coding by range asymmetric numeral systems (Duda 2014, arXiv:1311.2540), in several lanes at once.

Own code, since coders of other packages take one symbol at a time or need a compiler. All lanes share one stack of
16-bit words (Giesen 2014, arXiv:1402.3392). The last symbol that is encoded is the first that is decoded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PRECISION = 16
"""Bits of a probability: counts of one symbol's values sum to 2^16."""
TOTAL = 1 << PRECISION

Counts = NDArray[np.int64]


class Exhausted(ValueError):
    """The words end before the symbols do: the data are damaged."""


def counts_of(probabilities: NDArray[np.float64]) -> Counts:
    """Return integer counts `[..., V]` for probabilities `[..., V]`: each at least 1, with the sum 2^16.

    What rounding leaves goes to the likeliest value. Raises ValueError on values that are no probabilities.
    """
    values = probabilities.shape[-1]
    if values > TOTAL // 2 or not np.isfinite(probabilities).all():
        raise ValueError(f"{values} values, or probabilities that are not finite, cannot be coded")
    total = probabilities.sum(-1, keepdims=True)
    counts = 1 + np.floor(probabilities / total * (TOTAL - values)).astype(np.int64)
    likeliest = probabilities.argmax(-1)[..., None]
    rest = TOTAL - counts.sum(-1, keepdims=True)
    np.put_along_axis(counts, likeliest, np.take_along_axis(counts, likeliest, -1) + rest, -1)
    result: Counts = counts
    return result


def intervals(counts: Counts, symbols: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Return start and length `[...]` of the intervals of `symbols` `[...]` in [0, 2^16), by counts `[..., V]`."""
    ends = counts.cumsum(-1)
    lengths = np.take_along_axis(counts, symbols[..., None], -1)[..., 0]
    return np.take_along_axis(ends, symbols[..., None], -1)[..., 0] - lengths, lengths


def encode(steps: list[tuple[Counts, Counts]], lanes: int) -> bytes:
    """Return the code of steps, each with starts and lengths `[n]`, n <= `lanes`; lane k codes the k-th of each."""
    state = np.full(lanes, TOTAL, np.uint64)
    words: list[NDArray[np.uint16]] = []
    for starts, lengths in reversed(steps):
        x, start, length = state[: len(starts)], starts.astype(np.uint64), lengths.astype(np.uint64)
        full = x >= length << np.uint64(PRECISION)
        words.append((x[full] & np.uint64(TOTAL - 1)).astype(np.uint16)[::-1])
        x = np.where(full, x >> np.uint64(PRECISION), x)
        state[: len(starts)] = ((x // length) << np.uint64(PRECISION)) + x % length + start
    stack = np.concatenate([np.zeros(0, np.uint16), *words])
    return state.astype("<u4").tobytes() + stack[::-1].astype("<u2").tobytes()


class Decoder:
    """Decode the steps of `encode` in their order."""

    def __init__(self, code: bytes, lanes: int) -> None:
        """Read the states of all lanes; raises Exhausted where the code is too short."""
        if len(code) < 4 * lanes or len(code) % 2:
            raise Exhausted("the code is cut off")
        self._state = np.frombuffer(code, "<u4", lanes).astype(np.uint64)
        self._words = np.frombuffer(code, "<u2", offset=4 * lanes).astype(np.uint64)
        self._next = 0

    def decode(self, counts: Counts) -> NDArray[np.int64]:
        """Return the next symbols `[n]` by their counts `[n, V]`; raises Exhausted at the end of the code."""
        x = self._state[: len(counts)]
        slot = (x & np.uint64(TOTAL - 1)).astype(np.int64)
        symbols = (counts.cumsum(-1) <= slot[:, None]).sum(-1)
        starts, lengths = intervals(counts, symbols)
        x = lengths.astype(np.uint64) * (x >> np.uint64(PRECISION)) + (slot - starts).astype(np.uint64)
        low = x < TOTAL
        words = self._words[self._next : self._next + int(low.sum())]
        if len(words) < low.sum():
            raise Exhausted("the code is cut off")
        x[low] = (x[low] << np.uint64(PRECISION)) | words
        self._next += len(words)
        self._state[: len(counts)] = x
        result: NDArray[Any] = symbols.astype(np.int64)
        return result

    @property
    def is_complete(self) -> bool:
        """Return whether all words are read and all lanes are where the encoder began."""
        return self._next == len(self._words) and bool((self._state == TOTAL).all())
