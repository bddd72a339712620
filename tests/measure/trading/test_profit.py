"""Profit and loss: closed forms, and equal to trading through the turned positions."""

from __future__ import annotations

from dataclasses import replace

import torch

from sparring.attacks.tradable_changes import Market
from sparring.measure.trading.profit import Decisions, open_returns

POSITIONS = torch.tensor([1.0, 1, -1, -1, 1, -1], dtype=torch.float64)
RETURNS = torch.tensor([0.01, -0.02, 0.03, 0.0, 0.01, -0.01], dtype=torch.float64)
SIGMA = torch.full((6,), 0.02, dtype=torch.float64)


def decisions(market: Market) -> Decisions:
    """Return six decisions."""
    return Decisions(POSITIONS, RETURNS, SIGMA, 0.01, market)


def test_profit_of_a_decision() -> None:
    profit = decisions(Market(fee=0.001)).profit()
    trade = 2 / 3 * 0.02 * 0.02**0.5 * 2 + 2 * 0.001  # two positions of 1 % of a volume, in units of a position
    torch.testing.assert_close(profit[0], RETURNS[0])
    torch.testing.assert_close(profit[2], -RETURNS[2] - trade)


def test_loss_is_the_difference_of_all_profits() -> None:
    clean = decisions(Market())
    for k in range(1, 5):
        turned = torch.zeros(6, dtype=torch.bool)
        turned[k] = True
        positions = torch.where(turned, -POSITIONS, POSITIONS)
        difference = clean.profit().sum() - replace(clean, positions=positions).profit().sum()
        loss = clean.loss_if_turned(turned)
        torch.testing.assert_close(loss.sum(), difference)
        assert (loss[~turned] == 0).all()


def test_gain_is_the_loss_without_the_fees() -> None:
    turned = torch.tensor([False, True, False, False, False, False])
    free = decisions(Market(fee=0.0))
    torch.testing.assert_close(free.gain_if_turned(turned), 0.01 * free.loss_if_turned(turned))
    dear = decisions(Market(fee=0.01))
    torch.testing.assert_close(dear.gain_if_turned(turned), free.gain_if_turned(turned))


def test_returns_are_from_the_next_open_to_the_one_after() -> None:
    bars = torch.zeros(5, 5, dtype=torch.float64)
    bars[:, 0] = torch.tensor([1.0, 2, 4, 3, 3])
    torch.testing.assert_close(open_returns(bars), torch.tensor([1.0, -0.25, 0.0], dtype=torch.float64))
