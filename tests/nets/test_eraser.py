"""An eraser leaves no linear dependence on the concept, within strata where it is asked to, and changes little else."""

from __future__ import annotations

import torch
from torch.nn.functional import one_hot

from sparring.nets.eraser import Eraser

COUNT = 3000


def test_no_linear_function_depends_on_the_concept() -> None:
    generator = torch.Generator().manual_seed(0)
    group = (torch.rand(COUNT, generator=generator) * 3).long()
    mix = torch.randn(5, 5, generator=generator)
    x = (torch.randn(COUNT, 5, generator=generator) + group[:, None] * torch.tensor([1.0, 0, 2, 0, 0])) @ mix
    eraser = Eraser(5, 3, 1)
    torch.testing.assert_close(eraser(x), x)  # before it is fitted
    every = torch.ones(1, COUNT, dtype=torch.bool)
    for part in range(3):  # in batches
        rows = slice(part * 1000, (part + 1) * 1000)
        eraser.collect(x[rows], one_hot(group[rows], 3), every[:, rows])
    eraser.fit()
    erased = eraser(x)
    means = torch.stack([erased[group == k].mean(0) for k in range(3)])
    torch.testing.assert_close(means, means[:1].expand_as(means), atol=1e-3, rtol=0)
    torch.testing.assert_close(erased.mean(0), x.mean(0), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(eraser(erased), erased, atol=1e-3, rtol=1e-3)
    assert torch.linalg.matrix_rank(eraser.matrix.double(), rtol=1e-4) <= 2


def test_within_strata_differences_between_strata_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(COUNT) % 2
    group = (torch.rand(COUNT, generator=generator) < 0.3 + 0.4 * y).long()
    x = torch.randn(COUNT, 3, generator=generator)
    x[:, 0] += 3 * y
    x[:, 1] += group
    eraser = Eraser(3, 2, 2)
    eraser.collect(x, one_hot(group, 2), torch.stack([y == 0, y == 1]))
    eraser.fit()
    erased = eraser(x)
    gaps = [erased[(y == k) & (group == 1)].mean(0) - erased[(y == k) & (group == 0)].mean(0) for k in (0, 1)]
    counts = torch.stack([(group[y == k] == 1).float().var() * (y == k).sum() for k in (0, 1)])
    pooled = sum(count * gap for count, gap in zip(counts, gaps, strict=True)) / counts.sum()
    torch.testing.assert_close(torch.as_tensor(pooled), torch.zeros(3), atol=1e-3, rtol=0)
    assert float((erased[y == 1].mean(0) - erased[y == 0].mean(0))[0]) > 2.5
