"""Conformance of all networks with a density. A new one needs a line in DENSITY_NETS."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring.nets.boltzmann import BoltzmannMachine
from sparring.nets.density_net import DensityNet
from sparring.nets.flow import ImageFlow
from sparring.nets.masked_autoencoder import MaskedAutoencoder
from sparring.nets.multiscale_pixelcnn import MultiscalePixelCNN, subsampled_sizes
from sparring.nets.pixel_distributions import Bernoulli, LogisticMixture
from sparring.nets.pixelcnn import PixelCNN

Shape = tuple[int, int, int]


def multiscale(shape: Shape, classes: int) -> nn.Module:
    base = PixelCNN((shape[0], *subsampled_sizes(*shape[1:], 2)[-1]), Bernoulli(shape[0]), 8, 2, classes=classes)
    return MultiscalePixelCNN(base, shape, Bernoulli(shape[0]), 2, 8, 1)


DENSITY_NETS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "made": lambda shape, classes: MaskedAutoencoder(shape, [16], classes),
    "rbm": lambda shape, classes: BoltzmannMachine(shape, (6,), sweeps=5),
    "dbm": lambda shape, classes: BoltzmannMachine(shape, (6, 4), sweeps=5),
    "rbm-gaussian": lambda shape, classes: BoltzmannMachine(shape, (6,), visible="gaussian", sweeps=5),
    "flow": lambda shape, classes: ImageFlow(shape, steps=2, hidden=6, classes=classes),
    "flow, variational": lambda shape, classes: ImageFlow(shape, steps=2, hidden=6, classes=classes, noise_hidden=4),
    "flow, binary": lambda shape, classes: ImageFlow(shape, steps=2, hidden=6, classes=classes, values=2),
    "pixelcnn": lambda shape, classes: PixelCNN(shape, Bernoulli(shape[0]), 8, 2, classes=classes),
    "pixelcnn, 8 bits": lambda shape, classes: PixelCNN(shape, LogisticMixture(shape[0], 2), 8, 2, classes=classes),
    "pixelcnn, multiscale": lambda shape, classes: multiscale(shape, classes),
}
"""Name -> network of a shape and a number of classes."""
BINARY = {"made", "rbm", "pixelcnn", "pixelcnn, multiscale"}
"""Networks of binary images with an exact log P, of which the 16 images of 2x2 pixels can be enumerated."""
SHAPES: list[Shape] = [(1, 1, 1), (1, 5, 3), (3, 4, 6)]

every_net = pytest.mark.parametrize("name", DENSITY_NETS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
with_and_without = pytest.mark.parametrize("classes", [0, 3], ids=["plain", "labelled"])


def net_of(name: str, shape: Shape, classes: int = 0) -> Any:
    torch.manual_seed(0)
    net = DENSITY_NETS[name](shape, classes).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.3)
    return net.eval()


def labels_of(count: int, classes: int) -> Tensor | None:
    return torch.arange(count) % classes if classes else None


@every_net
@every_shape
@with_and_without
def test_shapes_and_types(name: str, shape: Shape, classes: int) -> None:
    net = net_of(name, shape, classes).float()
    assert isinstance(net, DensityNet)
    y = labels_of(4, classes)
    x = net(torch.randn(4, net.latent_dim), y)
    assert x.shape == (4, *shape) and x.dtype == torch.float32 and x.abs().max() <= 1
    log_p = net.log_prob(x, y)
    assert log_p.shape == (4,) and log_p.dtype == torch.float32 and torch.isfinite(log_p).all()
    features = net.encode(x)
    assert features.dim() == 2 and len(features) == 4 and features.dtype == torch.float32
    assert torch.equal(net.log_prob(x, y), log_p)


@every_net
@every_shape
def test_memory_is_estimated_on_the_meta_device(name: str, shape: Shape) -> None:
    with torch.device("meta"):
        net: Any = DENSITY_NETS[name](shape, 0)
    assert net.log_prob(torch.zeros(1, *shape, device="meta")).shape == (1,)


@every_net
def test_a_sample_depends_on_its_own_noise_alone(name: str) -> None:
    net = net_of(name, (1, 4, 4))
    z = torch.randn(5, net.latent_dim, dtype=torch.float64)
    assert torch.allclose(net(z)[2:3], net(z[2:3]))


@pytest.mark.parametrize("name", sorted(BINARY))
@with_and_without
def test_probabilities_sum_to_one(name: str, classes: int) -> None:
    net = net_of(name, (1, 2, 2), classes)
    states = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)), dtype=torch.float64).reshape(-1, 1, 2, 2)
    y = torch.full((16,), 1) if classes else None
    assert float(net.log_prob(states, y).exp().sum().detach()) == pytest.approx(1, abs=1e-9)
