"""The reductions game: costs are those of the Lagrangian, multipliers grow where a gap is, the mixture votes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sparring.engine.game import Batch
from sparring.games.fairness import Notion
from sparring.games.reductions import Multipliers, ReductionGame
from sparring.nets.mixture import Mixture
from sparring.nets.tabular_mlp import TabularClassifier

COUNT = 60


def unchanged(x: Tensor, batch: Batch) -> Tensor:
    return x


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(COUNT, 3, generator=generator)
    y = (x[:, 0] > 0).long()
    return Batch(x, y, group=(torch.rand(COUNT, generator=generator) * 3).long() - 1)


def game(notion: Notion, strata: int, members: int = 3, periods: int = 4) -> tuple[ReductionGame, Multipliers, Mixture]:
    torch.manual_seed(0)
    mixture = Mixture(TabularClassifier(3, 2, 4), members, 2)
    multipliers = Multipliers(strata, notion.groups, bound=2.0, rate=1.0, slack=0.05)
    return ReductionGame(mixture, multipliers, notion, unchanged, periods), multipliers, mixture


@pytest.mark.parametrize(("name", "strata"), [("parity", 1), ("odds", 2), ("opportunity", 1)])
def test_the_cost_of_a_decision_is_what_it_adds_to_the_lagrangian(name: str, strata: int) -> None:
    notion = Notion(name, 2, 2, 1)
    system, multipliers, _ = game(notion, strata)
    data = batch()
    assert data.group is not None
    multipliers.theta.copy_(torch.randn(multipliers.theta.shape, generator=torch.Generator().manual_seed(1)))
    cells = system._cells(data)
    multipliers.count(cells, torch.zeros(COUNT, dtype=torch.bool))
    values = multipliers.values.double()

    def lagrangian(h: Tensor) -> float:
        total = float((h != data.y).double().mean())
        for s in range(strata):
            whole = cells[s].any(0)
            for k in range(2):
                total += float(values[s, k] * (h[cells[s, k]].double().mean() - h[whole].double().mean()))
        return total

    h = torch.zeros(COUNT, dtype=torch.int64)
    cost = 1.0 - 2.0 * data.y + system._fairness_cost(cells)
    for row in range(0, COUNT, 7):
        if data.group[row] < 0:
            continue
        flipped = h.clone()
        flipped[row] = 1
        # shares are those of all rows that are in cells, errors those of all rows
        known = int(cells.any(0).any(0).sum())
        error = (1.0 - 2.0 * float(data.y[row])) / COUNT
        expected = error + (float(cost[row]) - (1.0 - 2.0 * float(data.y[row]))) / known
        assert lagrangian(flipped) - lagrangian(h) == pytest.approx(expected, abs=1e-5)


def test_multipliers_grow_where_a_group_gets_more_than_all() -> None:
    multipliers = Multipliers(1, 2, bound=3.0, rate=2.0, slack=0.1)
    assert multipliers.values.tolist() == [[0, 0]]
    cells = torch.tensor([[[True] * 4 + [False] * 4, [False] * 4 + [True] * 4]])
    multipliers.count(cells, torch.tensor([True] * 3 + [False] * 5))  # 3/4 and 0, of 3/8 in all
    multipliers.step()
    gap = 3 / 8
    theta = [2 * (gap - 0.1), 2 * (-gap - 0.1), 2 * (-gap - 0.1), 2 * (gap - 0.1)]
    whole = 1 + sum(map(math.exp, theta))
    expected = 3 * (math.exp(theta[0]) - math.exp(theta[2])) / whole
    assert multipliers.values[0].tolist() == pytest.approx([expected, -expected])
    assert float(multipliers.in_period.sum()) == 0 and float(multipliers.counts.sum()) == 8


def test_the_last_periods_train_a_copy_each() -> None:
    system, multipliers, mixture = game(Notion("parity", 2, 2), 1)
    learners = []
    for at in (0.0, 0.3, 0.3, 0.6, 0.9, 0.99):
        system.loss("classifier", batch(), at)
        learners.append(int(mixture.current))
    assert learners == [0, 0, 0, 1, 2, 2] and int(multipliers.period) == 3


def test_a_mixture_averages_probabilities_and_counts_votes() -> None:
    torch.manual_seed(0)
    mixture = Mixture(TabularClassifier(3, 2, 4), 3, 2)
    x = torch.randn(10, 3)
    torch.nn.init.normal_(mixture.members[1].head.weight)  # type: ignore[union-attr, arg-type]
    each = torch.stack([member(x).softmax(1) for member in mixture.members])
    torch.testing.assert_close(mixture(x).softmax(1), each.mean(0))
    torch.testing.assert_close(mixture.votes(x)[:, 1], (each.argmax(2) == 1).double().mean(0))
    mixture.current.fill_(1)
    mixture.advance()
    assert torch.equal(mixture.members[2].head.weight, mixture.members[1].head.weight)  # type: ignore[union-attr, arg-type]
