from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from sparring.engine.schedules import cosine
from sparring.games.penalties import (
    Penalty,
    input_gradient,
    interpolate,
    orthogonality,
    r1,
    r2,
    squared_norm,
    unit_norm_deviation,
    wgan_gp,
)

PIECES: dict[str, Callable[[Tensor], Tensor]] = {
    "squared_norm": squared_norm,
    "unit_norm_deviation": unit_norm_deviation,
}


def wide(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("of", PIECES.values(), ids=PIECES)
def test_first_and_second_derivatives_of_the_pieces(of: Callable[[Tensor], Tensor]) -> None:
    gradient = wide(3, 2, 2, 2).requires_grad_()
    assert gradcheck(of, gradient)
    assert gradgradcheck(of, gradient)


@pytest.mark.parametrize(
    "make", [lambda: r1(1.5), lambda: r2(0.7, 4), lambda: wgan_gp(10.0)], ids=["r1", "r2", "wgan_gp"]
)
def test_first_and_second_derivatives_through_a_discriminator(make: Callable[[], Penalty]) -> None:
    """As a function of the images and of the weights: what a discriminator learns from, and its curvature."""
    penalty = make()

    def paid(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        logits = torch.tanh(x.flatten(1) @ first) @ second
        return penalty(input_gradient(logits, x), at=0.3)

    at = (wide(3, 1, 2, 2).requires_grad_(), wide(4, 3, seed=1).requires_grad_(), wide(3, seed=2).requires_grad_())
    assert gradcheck(paid, at)
    assert gradgradcheck(paid, at)


def test_closed_forms_for_a_linear_discriminator() -> None:
    """D(x) = w x has the gradient w everywhere: R1 = R2 = gamma/2 |w|^2, and WGAN-GP = 10 (|w| - 1)^2."""
    w, x = wide(12), wide(5, 3, 2, 2, seed=1).requires_grad_()
    gradient = input_gradient(x.flatten(1) @ w, x)
    torch.testing.assert_close(gradient.flatten(1), w.expand(5, -1))
    torch.testing.assert_close(r1(3.0)(gradient, 0), 1.5 * w.square().sum())
    torch.testing.assert_close(r2(3.0)(gradient, 0), 1.5 * w.square().sum())
    torch.testing.assert_close(wgan_gp()(gradient, 0), 10 * (w.norm() - 1).square())


@pytest.mark.parametrize("of", PIECES.values(), ids=PIECES)
def test_a_flat_discriminator_has_a_finite_derivative(of: Callable[[Tensor], Tensor]) -> None:
    gradient = torch.cat([torch.zeros(1, 4), torch.ones(1, 4)]).requires_grad_()
    paid = of(gradient)
    paid.sum().backward()
    assert torch.equal(paid[0], torch.tensor(1.0 if of is unit_norm_deviation else 0.0))
    assert gradient.grad is not None and torch.isfinite(gradient.grad).all()
    assert torch.equal(gradient.grad[0], torch.zeros(4))


def test_a_lazy_penalty_is_rare_and_multiplied() -> None:
    gradient = wide(4, 6)
    once, lazy = r1(2.0), r1(2.0, interval=4)
    assert [step for step in range(9) if lazy.due(step)] == [0, 4, 8]
    assert all(once.due(step) for step in range(9))
    paid = sum(float(lazy(gradient, 0)) for step in range(8) if lazy.due(step))
    assert paid == pytest.approx(sum(float(once(gradient, 0)) for step in range(8)))


def test_weights_may_be_schedules() -> None:
    gradient = torch.ones(2, 3)
    falling = r1(cosine(1.0, 0.1))
    assert [float(falling(gradient, at)) for at in (0.0, 0.5, 1.0)] == pytest.approx([1.5, 1.5 * 0.55, 0.15])


def test_interpolated_points() -> None:
    real, fake = torch.full((3, 1, 2, 2), 5.0), torch.full((3, 1, 2, 2), 1.0)
    points = interpolate(real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert points.shape == real.shape
    assert points[:, 0, 0, 0].tolist() == [1.0, 2.0, 5.0]


def test_penalties_of_bf16_networks_are_float32() -> None:
    net, x = nn.Linear(4, 1), torch.randn(3, 4, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        gradient = input_gradient(net(x).squeeze(1), x)
        assert gradient.dtype == r1(1.0)(gradient, 0).dtype == torch.float32
    assert torch.isfinite(r1(1.0)(gradient, 0))


def test_orthogonality_penalises_similar_rows_not_long_ones() -> None:
    """Brock et al. 2019, Eq. 3: 2 (w1 w2)^2 of two rows, each pair once in both orders; nothing where orthogonal."""
    net = nn.Linear(3, 2)
    net.weight.data = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 5.0]])
    torch.testing.assert_close(orthogonality(net, 0.1), torch.tensor(0.1 * 2 * 3.0**2))
    net.weight.data = torch.tensor([[7.0, 0.0, 0.0], [0.0, 0.1, 0.0]])
    assert orthogonality(net).item() == 0


def test_orthogonality_of_convolutions_without_embeddings() -> None:
    conv = nn.Conv2d(2, 3, 3)
    rows = conv.weight.detach().flatten(1)
    gram = rows @ rows.t()
    expected = 1e-4 * (gram.square().sum() - gram.diagonal().square().sum())
    net = nn.Sequential(conv, nn.Embedding(4, 3), nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(orthogonality(net).detach(), expected)
    orthogonality(net).backward()
    assert conv.weight.grad is not None and net[1].weight.grad is None
