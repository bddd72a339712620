"""MADE: order, normalisation, and a sampler that draws from the density."""

from __future__ import annotations

import itertools

import pytest
import torch

from sparring.nets.masked_autoencoder import MaskedAutoencoder


def random_net(
    shape: tuple[int, int, int] = (1, 2, 2), hidden: tuple[int, ...] = (16,), classes: int = 0
) -> MaskedAutoencoder:
    torch.manual_seed(0)
    net = MaskedAutoencoder(shape, hidden, classes).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p))
    return net.eval()


def test_a_pixel_sees_the_pixels_before_it_alone() -> None:
    net = random_net((1, 3, 3), (20, 17))
    x = torch.randn(1, 9, dtype=torch.float64, requires_grad=True)
    seen = torch.stack([torch.autograd.grad(net.logits(x)[0, d], x)[0][0] != 0 for d in range(9)])
    assert torch.equal(seen, torch.ones(9, 9).tril(-1).bool())


def test_the_sampler_inverts_the_density() -> None:
    """Of a pixel, the proportion of noise that gives 1 is its probability in the parallel pass."""
    net = random_net((2, 2, 3), (16, 16), classes=3)
    z, y = torch.randn(64, net.latent_dim, dtype=torch.float64), torch.arange(64) % 3
    x = net(z, y)
    p = net.logits(x.flatten(1), y).sigmoid()
    assert torch.equal(x.flatten(1) == 1, torch.special.ndtr(z) < p)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 2), (1, 4, 1)])
def test_samples_have_the_probabilities_of_the_density(shape: tuple[int, int, int]) -> None:
    net = random_net(shape)
    states = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=net.latent_dim)), dtype=torch.float64)
    p = net.log_prob(states.reshape(-1, *shape)).exp()
    x = net(torch.randn(20_000, net.latent_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    drawn = (x.flatten(1)[:, None] == states).all(2).double().mean(0)
    assert (drawn - p).abs().max() < 0.02
