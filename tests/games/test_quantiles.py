from __future__ import annotations

import torch
from torch.autograd import gradcheck

from sparring.games.quantiles import pinball_losses

LEVELS = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)


def test_the_loss_by_hand() -> None:
    quantiles = torch.tensor([[[0.0, 1.0, 4.0]]], dtype=torch.float64)
    losses = pinball_losses(quantiles, torch.tensor([[2.0]], dtype=torch.float64), LEVELS)
    torch.testing.assert_close(losses, torch.tensor([(0.1 * 2 + 0.5 * 1 + 0.1 * 2) / 3], dtype=torch.float64))


def test_the_mean_loss_is_smallest_at_the_quantiles_of_the_numbers() -> None:
    y = torch.randn(4001, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    best = torch.quantile(y[:, 0], LEVELS)

    def mean(quantiles: torch.Tensor) -> float:
        return float(pinball_losses(quantiles.expand(len(y), 1, 3), y, LEVELS).mean())

    assert all(
        mean(best) < mean(best + step * torch.eye(3, dtype=torch.float64)[k])
        for k in range(3)
        for step in (-0.2, -0.02, 0.02, 0.2)
    )


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    quantiles = torch.randn(4, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    assert gradcheck(lambda q: pinball_losses(q, y, LEVELS), quantiles)
