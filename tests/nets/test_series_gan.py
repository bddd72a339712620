"""The causal generator of series of any length, and the discriminator at three scales."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.nets.series_gan import NOISE, SeriesDiscriminator, SeriesGenerator


def generator(window: int = 24, **settings: object) -> SeriesGenerator:
    torch.manual_seed(0)
    return SeriesGenerator(2, window, [True, False], 5, 8, **settings)  # type: ignore[arg-type]


def noise(net: SeriesGenerator, count: int = 3) -> Tensor:
    return torch.randn(count, net.latent_dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("window", [1, 2, 7, 24, 65])
@pytest.mark.parametrize("steps", [1, 24, 200])
def test_any_window_gives_any_length(window: int, steps: int) -> None:
    net = generator(window)
    net.length = steps
    x = net(noise(net))
    assert x.shape == (3, 2, steps) and torch.isfinite(x).all()


def test_no_step_depends_on_later_noise_and_all_on_as_much_earlier() -> None:
    net = generator()
    z = noise(net, 1).requires_grad_()
    for step in (1, 12, 23):
        (gradient,) = torch.autograd.grad(net(z)[0, 1, step], z)
        used = gradient[0, 5:].view(NOISE, -1).abs().sum(0).nonzero()[:, 0]
        assert int(used.max()) == step + net.warm_up and int(used.min()) == step


def test_moves_of_channels_that_go_on_from_a_start_are_bounded() -> None:
    net = generator()
    net.shape.weight.data *= 1e4
    x = net(noise(net))
    assert x[:, 0, 1:].abs().max() <= 4 < x[:, 1].abs().max()


def test_a_short_series_begins_a_longer_one_of_one_window() -> None:
    net = generator()
    z = noise(net)
    long = net(z)
    net.length = 10
    parts = z[:, 5:].view(3, NOISE, -1)[:, :, : 10 + net.warm_up]
    torch.testing.assert_close(net(torch.cat([z[:, :5], parts.flatten(1)], 1)), long[:, :, :10])


def test_beyond_a_window_its_noise_turns_with_constant_variance() -> None:
    net = generator(8)
    net.length = 40
    path = net._path(torch.randn(4000, net._windows, 5))
    assert path.shape == (4000, 5, net.warm_up + 40)
    torch.testing.assert_close(path.var(0), torch.ones_like(path[0]), rtol=0.15, atol=0)


@pytest.mark.parametrize("length", [1, 3, 5, 24, 64, 100])
@pytest.mark.parametrize("labels", [{}, {"classes": 3}, {"condition_stats": ((0.0, 1.0), (2.0, 3.0))}])
def test_the_discriminator_takes_any_length_and_labels(length: int, labels: dict[str, object]) -> None:
    torch.manual_seed(0)
    net = SeriesDiscriminator(2, length, [True, False], 8, **labels)  # type: ignore[arg-type]
    y = {"classes": torch.tensor([0, 2, -1]), "condition_stats": torch.randn(3, 2)}
    given = [y[name] for name in labels]
    x = torch.randn(3, 2, length, requires_grad=True)
    logits = net(x, *given)
    assert logits.shape == (3,)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    gradient.square().sum().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(gradient).all()
    torch.testing.assert_close(net(x[:2], *[g[:2] for g in given]), logits[:2])
    assert generator(24, **labels)(noise(generator()), *given).shape == (3, 2, 24)
