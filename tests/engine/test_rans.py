"""Entropy coding: exact, near the entropy, and sure to notice damage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring.engine.rans import TOTAL, Decoder, Exhausted, counts_of, encode, intervals


def coded(p: np.ndarray, symbols: np.ndarray) -> tuple[bytes, list[np.ndarray]]:
    counts = [counts_of(step) for step in p]
    lanes = p.shape[1]
    return encode([intervals(c, s) for c, s in zip(counts, symbols, strict=True)], lanes), counts


@given(st.integers(1, 30), st.integers(1, 9), st.integers(2, 300), st.floats(0.01, 30), st.integers(0, 99))
def test_symbols_come_back(steps: int, lanes: int, values: int, sharpness: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random((steps, lanes, values)) ** sharpness
    p /= p.sum(-1, keepdims=True)
    symbols = rng.integers(values, size=(steps, lanes))  # also of tiny probability
    code, counts = coded(p, symbols)
    decoder = Decoder(code, lanes)
    for count, expected in zip(counts, symbols, strict=True):
        assert np.array_equal(decoder.decode(count), expected)
    assert decoder.is_complete


def test_the_length_is_the_entropy() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.3] * 8, size=(2000, 16))
    symbols = (p.cumsum(-1) < rng.random((2000, 16, 1))).sum(-1).clip(max=7)
    bits = -np.log2(np.take_along_axis(p, symbols[..., None], -1)).sum()
    code, _ = coded(p, symbols)
    assert bits <= len(code) * 8 <= bits * 1.002 + 16 * 32


def test_a_ragged_last_step_uses_the_first_lanes() -> None:
    p = np.full((3, 2), 0.5)
    steps = [intervals(counts_of(p), np.array([0, 1, 1])), intervals(counts_of(p[:1]), np.array([1]))]
    decoder = Decoder(encode(steps, 3), 3)
    assert decoder.decode(counts_of(p)).tolist() == [0, 1, 1] and decoder.decode(counts_of(p[:1])).tolist() == [1]
    assert decoder.is_complete


def test_counts_are_whole_positive_and_sum_to_the_total() -> None:
    counts = counts_of(np.array([[1.0, 0.0], [1e-300, 1 - 1e-12], [0.5, 0.5]]))
    assert counts.sum(-1).tolist() == [TOTAL] * 3 and counts.min() >= 1
    with pytest.raises(ValueError, match="not finite"):
        counts_of(np.array([[np.nan, 1.0]]))


def test_cut_code_is_noticed() -> None:
    p = np.full((100, 4, 256), 1 / 256)
    code, counts = coded(p, np.random.default_rng(0).integers(256, size=(100, 4)))
    with pytest.raises(Exhausted):
        Decoder(code[:10], 4)
    decoder = Decoder(code[:-20], 4)
    with pytest.raises(Exhausted):
        for count in counts:
            decoder.decode(count)
