"""Arrays in memory: scaled as they are read, fed as files are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparring.data.in_memory import InMemoryDataset, Scale
from sparring.data.loader import BatchLoader
from sparring.engine.data_spec import ImageSpec
from sparring.measure.features.network_input import as_input

CPU = torch.device("cpu")


@given(arrays(np.float64, (7, 3), elements=st.floats(-1e6, 1e6)))
def test_columns_are_standardised_and_constant_ones_are_0(table: np.ndarray) -> None:
    table[:, 2] = 5.0
    scaled = Scale.of_columns(table)(table)
    assert scaled.dtype == np.float32 and np.abs(scaled[:, 2]).max() == 0
    varied = table.std(0) > 1e-3 * (1 + np.abs(table).max(0))
    np.testing.assert_allclose(scaled[:, varied].mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled[:, varied].std(0), 1, atol=1e-3)


def test_a_range_ends_at_both_ends() -> None:
    images = np.linspace(-3, 9, 16).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(Scale.of_range(images)(images).ravel(), np.linspace(-1, 1, 16), atol=1e-6)
    assert Scale.of_range(images * 0 + 7)(images * 0 + 7).any() == False  # noqa: E712


def test_bytes_and_numbers_become_inputs() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4) * 11
    x = as_input(pixels, CPU)
    assert x.shape == (1, 4, 2, 3) and x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(x, as_input(pixels / 127.5 - 1, CPU))
    values = np.ones((2, 5))
    assert torch.equal(as_input(values, CPU), torch.ones(2, 5))


@pytest.mark.parametrize("scale", [None, Scale(np.array(127.5), np.array(127.5))], ids=["bytes", "numbers"])
def test_a_feed_draws_from_arrays(scale: Scale | None) -> None:
    values = np.repeat(np.arange(10, dtype=np.uint8), 8).reshape(10, 2, 2, 2)
    labels = np.where(np.arange(10) < 4, np.arange(10) % 2, -1)
    data = InMemoryDataset(values, labels, ImageSpec(2, 2, 2, ("a", "b"), 10, 6), scale)
    (batch,) = BatchLoader(data, 10, labelled=4, balanced=True).batches(0, 0)
    rows = ((batch.x[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert sorted(rows.tolist()) == list(range(10)) and batch.y.tolist() == labels[rows].tolist()
    assert batch.labelled is not None
    x, y = batch.labelled()
    assert len(x) == 4 and (y >= 0).all()
