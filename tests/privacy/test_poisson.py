"""Poisson samples: chances, repetition by the key, fixed features, too few rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import sparring
from sparring.data.in_memory import InMemoryDataset
from sparring.privacy.poisson import PoissonBatches
from sparring.privacy.secret import SecretNoise

SECRET = SecretNoise(b"p" * 32)


def data(count: int) -> InMemoryDataset:
    values = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    return InMemoryDataset(values, np.arange(count), sparring.ImageSpec(1, 1, 1, count=count), None)


def test_sizes_vary_and_rows_enter_at_the_rate() -> None:
    source = PoissonBatches(data(50), 5, SECRET)
    batches = [source.batches(5 * step, 0)[0] for step in range(400)]
    sizes = [len(batch) for batch in batches]
    assert source.sampling_rate == 0.1
    assert np.mean(sizes) == pytest.approx(5, abs=0.4) and np.var(sizes) == pytest.approx(4.5, abs=1)
    counts = np.bincount(torch.cat([batch.y for batch in batches]).numpy(), minlength=50)
    assert counts.min() > 15 and counts.max() < 70 and len(set(counts.tolist())) > 5
    assert [batch.step for batch in batches[:3]] == [0, 1, 2]


def test_samples_follow_from_the_key_and_the_step_alone() -> None:
    a, b, other = (PoissonBatches(data(50), 5, s) for s in (SECRET, SECRET, SecretNoise(b"q" * 32)))
    a.batches(0, 0)
    assert torch.equal(a.batches(35, 0)[0].y, b.batches(35, 0)[0].y)
    drawn = [[source.batches(5 * step, 0)[0].y.tolist() for step in range(5)] for source in (a, other)]
    assert drawn[0] != drawn[1]


def test_empty_samples_are_batches() -> None:
    source = PoissonBatches(data(4), 1, SECRET)
    sizes = {len(source.batches(step, 0)[0].x) for step in range(60)}
    assert 0 in sizes and max(sizes) > 1


def test_only_the_rows_among_enter_with_fixed_features() -> None:
    def fixed(x: Tensor) -> Tensor:
        return x.flatten(1) * 127.5 + 127.5 + 1000

    source = PoissonBatches(data(20), 3, SECRET, among=np.arange(10, 16), fixed=fixed)
    for step in range(10):
        batch = source.batches(3 * step, 0)[0]
        assert set(batch.y.tolist()) <= set(range(10, 16)) and batch.x.dtype == torch.float32
        assert torch.allclose(batch.x[:, 0], batch.y + 1000.0, atol=0.6)


def test_more_expected_rows_than_there_are() -> None:
    with pytest.raises(sparring.UsageError, match="--batch-size 21 is more than there are rows, 20"):
        PoissonBatches(data(20), 21, SECRET)
