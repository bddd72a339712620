from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.attacks.stochastic_models import error_rates, is_stochastic
from sparring.engine.errors import UsageError


def coin(x: Tensor) -> Tensor:
    """Predict class 0 with the probability in each row's first entry."""
    right = (torch.rand(len(x)) < x[:, 0]).float()
    return torch.stack([right, 1 - right], 1)


def test_rates_estimate_error_probabilities() -> None:
    x = torch.tensor([[0.0], [0.25], [1.0]])
    rates = error_rates(coin, x, torch.zeros(3, dtype=torch.long), draws=4000, batch_size=2)
    assert rates[0] == 1 and rates[2] == 0
    assert rates[1] == pytest.approx(0.75, abs=0.03)


def test_rates_depend_on_the_seed_alone() -> None:
    x, y = torch.full([8, 1], 0.5), torch.zeros(8, dtype=torch.long)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(error_rates(coin, x, y, draws=9, seed=1), error_rates(coin, x, y, draws=9, seed=1))
    assert torch.equal(torch.rand(1), expected)


def test_is_stochastic() -> None:
    x = torch.full([20, 1], 0.5)
    assert is_stochastic(coin, x) and not is_stochastic(lambda x: torch.cat([x, 1 - x], 1), x)


def test_draws_must_be_positive() -> None:
    with pytest.raises(UsageError, match="must be 1 or more"):
        error_rates(coin, torch.zeros(1, 1), torch.zeros(1, dtype=torch.long), draws=0)
