"""Clipped sums of gradients: against gradients row by row, on every layer; networks that mix rows are refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import sparring
from sparring.privacy.clipping import (
    Forward,
    check_rows_are_independent,
    clip_factors,
    clipped_sum,
    ghost_norms_agree,
    gradient_norms,
)


def loss(net: Forward, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(net(x), y, reduction="none")


class Twice(nn.Module):
    """A layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(torch.tanh(self.layer(x))))


class Unusual(nn.Module):
    """A weight that no layer owns."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.head = nn.Parameter(torch.ones(6)), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x * self.scale)


class Functional(Twice):
    """A layer whose weight is used a second time, past the layer."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x) + x @ self.layer.weight)


SHAPES: dict[str, tuple[tuple[int, ...], nn.Module, bool]] = {
    "linear": ((6,), nn.Linear(6, 3), True),
    "without bias": ((6,), nn.Sequential(nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 3)), True),
    "convolutions": (
        (2, 9, 7),
        nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 3, (1, 3), dilation=2, padding="same"),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3),
        ),
        True,
    ),
    "series": ((2, 11), nn.Sequential(nn.Conv1d(2, 3, 3, padding=2), nn.Flatten(), nn.Linear(39, 3)), True),
    "positions": ((5, 6), nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3)), True),
    "a layer twice": ((6,), Twice(), True),
    "group norm": ((4, 3, 3), nn.Sequential(nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(36, 3)), False),
    "a free weight": ((6,), Unusual(), False),
    "a weight past its layer": ((6,), Functional(), False),
    "in place": ((6,), nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)), False),
    "groups": ((4, 3, 3), nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(4, 3)), False),
}  # fmt: skip


def one_by_one(net: nn.Module, x: Tensor, y: Tensor) -> list[list[Tensor]]:
    return [list(torch.autograd.grad(loss(net, x[k : k + 1], y[k : k + 1])[0], list(net.parameters()))) for k in
            range(len(x))]  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_sum_of_clipped_gradients_is_that_of_the_rows(name: str) -> None:
    shape, net, ghost = SHAPES[name]
    torch.manual_seed(0)
    x, y = torch.randn(5, *shape), torch.tensor([0, 1, 2, 0, 1])
    assert ghost_norms_agree(net, loss, x, y) == ghost
    rows = one_by_one(net, x, y)
    norms = torch.stack([torch.stack([g.square().sum() for g in row]).sum().sqrt() for row in rows])
    torch.testing.assert_close(gradient_norms(net, loss, x, y, ghost=ghost), norms)
    clip = float(norms.median())
    expected = [
        sum(f * row[k] for f, row in zip((clip / norms).clamp(max=1), rows, strict=True)) for k in range(len(rows[0]))
    ]
    actual = torch.autograd.grad(clipped_sum(net, loss, x, y, clip, ghost=ghost), list(net.parameters()))
    for each, known in zip(actual, expected, strict=True):
        torch.testing.assert_close(each, known, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("ghost", [True, False])
def test_one_row_moves_the_sum_by_the_clip_at_most(ghost: bool) -> None:
    net = nn.Linear(4, 3)
    x, y = torch.randn(8, 4) * 1e4, torch.randint(0, 3, (8,))

    def total(count: int) -> Tensor:
        parts = torch.autograd.grad(
            clipped_sum(net, loss, x[:count], y[:count], 0.3, ghost=ghost), list(net.parameters())
        )
        return torch.cat([part.flatten() for part in parts])

    for count in range(8):
        assert float((total(count + 1) - total(count)).norm()) <= 0.3 * (1 + 1e-4)


@pytest.mark.parametrize("ghost", [True, False])
def test_empty_batches_and_rows_that_are_not_finite_count_as_zero(ghost: bool) -> None:
    net = nn.Linear(4, 3)
    empty = clipped_sum(net, loss, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 1.0, ghost=ghost)
    empty.backward()  # type: ignore[no-untyped-call]
    assert net.weight.grad is not None and not net.weight.grad.any()
    x, y = torch.randn(3, 4), torch.tensor([0, 1, 2])
    x[1] = torch.nan
    both = [clipped_sum(net, loss, rows, labels, 1.0, ghost=ghost) for rows, labels in ((x, y), (x[[0, 2]], y[[0, 2]]))]
    a, b = (torch.autograd.grad(each, net.weight)[0] for each in both)
    torch.testing.assert_close(a, b)


def test_factors() -> None:
    factors = clip_factors(torch.tensor([0.0, 0.5, 1.0, 4.0, torch.inf, torch.nan]), 1.0)
    assert factors.tolist() == [1, 1, 1, 0.25, 0, 0]


class Spread(nn.Module):
    """Minibatch statistics beside each row."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.std(0)


class Counting(nn.Module):
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count += x.mean()
        return x


@pytest.mark.parametrize(
    ("layer", "words"),
    [(nn.BatchNorm1d(4), "it has BatchNorm1d"), (Spread(), "it mixes rows"), (Counting(), "training changes 0.count")],
)
def test_networks_that_mix_rows_are_refused(layer: nn.Module, words: str) -> None:
    net = nn.Sequential(layer, nn.Linear(4, 2))
    with pytest.raises(sparring.UsageError, match=words):
        check_rows_are_independent(net, (4,))


def test_networks_that_do_not_are_accepted_and_unchanged() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Dropout(0.5), nn.Linear(4, 2))
    check_rows_are_independent(net, (4,))
    assert net.training
