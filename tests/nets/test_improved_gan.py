from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from sparring.nets.improved_gan import (
    BiasBatchNorm,
    ConvClassifier,
    ConvGenerator,
    GaussianNoise,
    MLPClassifier,
    MLPGenerator,
    NormalisedHead,
)
from sparring.nets.weight_norm import WeightNormalised

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 1, 1), (2, 5, 3), (4, 17, 23), (3, 1, 40), (7, 4, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


def classifiers(shape: tuple[int, int, int]) -> list[nn.Module]:
    return [MLPClassifier(shape, 3, (12, 8, 6)), ConvClassifier(shape, 3, 4)]


def generators(shape: tuple[int, int, int]) -> list[nn.Module]:
    return [MLPGenerator(shape, 5, 8), ConvGenerator(shape, 5, 4)]


@every_shape
def test_classifiers_take_any_image_and_are_head_of_features(shape: tuple[int, int, int]) -> None:
    x = torch.rand(4, *shape) * 2 - 1
    for net in classifiers(shape):
        net.eval()
        logits = net(x)
        assert logits.shape == (4, 3) and logits.dtype == torch.float32 and torch.isfinite(logits).all()
        assert torch.equal(logits, net.head(net.features(x)))


@every_shape
def test_generators_make_any_image(shape: tuple[int, int, int]) -> None:
    for net in generators(shape):
        images = net(torch.randn(4, 5))
        assert images.shape == (4, *shape) and images.dtype == torch.float32
        assert torch.isfinite(images).all() and images.abs().max() <= 1


def test_the_noise_has_its_std_and_is_off_in_eval() -> None:
    torch.manual_seed(0)
    noise, x = GaussianNoise(0.3), torch.zeros(200, 200)
    assert float(noise(x).std()) == pytest.approx(0.3, rel=0.02)
    assert noise.eval()(x) is x


def test_the_papers_layers() -> None:
    net = MLPClassifier((1, 28, 28), 10, (1000, 500, 250, 250, 250))
    assert [layer.direction.shape for layer in net.layers] == [
        (1000, 784),
        (500, 1000),
        (250, 500),
        (250, 250),
        (250, 250),
    ]
    assert [noise.std for noise in net.noises] == [0.3, 0.5, 0.5, 0.5, 0.5] and net.head.noise.std == 0.5
    trained = [
        name for name, part in net.named_modules() if isinstance(part, WeightNormalised) and part.scale.requires_grad
    ]
    assert trained == ["head.linear"]
    conv = ConvClassifier((3, 32, 32), 10)
    assert [layer.direction.shape[0] for block in conv.blocks for layer in block] == [96] * 3 + [192] * 6
    assert conv.features(torch.zeros(2, 3, 32, 32)).shape == (2, 192)
    assert ConvGenerator((3, 32, 32), 100).base == (512, 4, 4)


def test_initial_weights_are_those_of_the_papers_code() -> None:
    """Where a generator starts decides for thousands of rounds whether its classifier has anything to learn from it."""
    torch.manual_seed(0)
    mlp, conv = MLPGenerator((1, 28, 28), 100), ConvGenerator((3, 32, 32), 100)
    for weight in (*(layer.weight for layer in mlp.layers), mlp.last.direction):
        bound = math.sqrt(6 / sum(weight.shape))  # Glorot and Bengio 2010, Eq. 16
        assert 0.99 * bound < weight.abs().max() <= bound
    starts = [net.last.init_std for net in (mlp, conv)] + [
        net.head.linear.init_std for net in (MLPClassifier((1, 28, 28), 10, (8,)), ConvClassifier((3, 32, 32), 10))
    ]
    assert starts == [None, 0.1, 1.0, 0.1]


def test_channels_of_large_images_are_bounded() -> None:
    assert ConvGenerator((3, 256, 256), 5, 8).base[0] == 32


def test_pixels_are_converted_to_0_to_1() -> None:
    net = MLPClassifier((1, 2, 2), 3, (4,)).eval()
    net.layers[0].bias.data.fill_(0.0)
    assert torch.equal(net.features(-torch.ones(1, 1, 2, 2)), torch.zeros(1, 4))  # black is 0


def test_the_noise_of_a_generator_is_uniform() -> None:
    """What is normal becomes its rank: the same draws as a uniform law would give."""
    seen = []
    net = MLPGenerator((1, 4, 4), 3, 4)
    net.layers[0].register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    z = torch.randn(500, 3)
    net(z)
    torch.testing.assert_close(seen[0], Normal(0, 1).cdf(z))
    assert seen[0].min() >= 0 and seen[0].max() <= 1 and abs(float(seen[0].mean()) - 0.5) < 0.05


def test_batch_normalisation_shifts_and_has_no_gain() -> None:
    norm = BiasBatchNorm(3)
    out = norm(torch.randn(64, 3) * 5 + 2)
    out.sum().backward()
    assert norm.weight.grad is None and norm.bias.grad is not None
    assert float(out.detach().std(correction=0)) == pytest.approx(1, rel=1e-3)


def test_logits_are_float32_under_autocast() -> None:
    net = ConvClassifier((3, 8, 8), 3, 4).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert net.features(torch.rand(2, 3, 8, 8)).dtype in (torch.bfloat16, torch.float32)
        assert net(torch.rand(2, 3, 8, 8)).dtype == torch.float32
    with torch.device("meta"):
        assert NormalisedHead(4, 3, 0.5)(torch.zeros(2, 4)).shape == (2, 3)
    assert math.prod(MLPGenerator((2, 3, 5), 4, 6)(torch.randn(2, 4)).shape) == 60
