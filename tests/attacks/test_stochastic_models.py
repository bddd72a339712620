from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.attacks.stochastic_models import error_rates, is_stochastic
from sparring.engine.errors import UsageError


def coin(x: Tensor) -> Tensor:
    """Right (class 0) with the chance that each row's first entry tells."""
    right = (torch.rand(len(x)) < x[:, 0]).float()
    return torch.stack([right, 1 - right], 1)


def test_rates_are_the_chances_to_be_wrong() -> None:
    x = torch.tensor([[0.0], [0.25], [1.0]])
    rates = error_rates(coin, x, torch.zeros(3, dtype=torch.long), draws=4000, batch_size=2)
    assert rates[0] == 1 and rates[2] == 0
    assert rates[1] == pytest.approx(0.75, abs=0.03)


def test_the_same_seed_counts_the_same_and_leaves_the_global_numbers() -> None:
    x, y = torch.full([8, 1], 0.5), torch.zeros(8, dtype=torch.long)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(error_rates(coin, x, y, draws=9, seed=1), error_rates(coin, x, y, draws=9, seed=1))
    assert torch.equal(torch.rand(1), expected)


def test_who_is_random() -> None:
    x = torch.full([20, 1], 0.5)
    assert is_stochastic(coin, x) and not is_stochastic(lambda x: torch.cat([x, 1 - x], 1), x)


def test_no_draws() -> None:
    with pytest.raises(UsageError, match="must be 1 or more"):
        error_rates(coin, torch.zeros(1, 1), torch.zeros(1, dtype=torch.long), draws=0)
