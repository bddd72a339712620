from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, linear

from sparring.nets.weight_norm import (
    WeightNormalised,
    data_dependent_init,
    normalised_conv,
    normalised_conv_transpose,
    normalised_linear,
)

LAYERS = {
    "linear": (lambda trained: normalised_linear(5, 7, train_scale=trained), (64, 5)),
    "conv": (lambda trained: normalised_conv(3, 7, 3, 2, 1, train_scale=trained), (16, 3, 9, 6)),
    "up": (lambda trained: normalised_conv_transpose(3, 7, (1, 0), train_scale=trained), (16, 3, 4, 5)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def made(name: str, trained: bool = False) -> tuple[WeightNormalised, torch.Tensor]:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    return make(trained), torch.randn(*shape) * 3 + 1


def around(out: torch.Tensor) -> list[int]:
    return [k for k in range(out.dim()) if k != 1]


@every_layer
@pytest.mark.parametrize("trained", [False, True])
def test_data_dependent_init_gives_mean_0_and_variance_1(name: str, trained: bool) -> None:
    layer, x = made(name, trained)
    data_dependent_init(layer, x)
    variance, mean = torch.var_mean(layer(x), around(layer(x)), correction=0)
    torch.testing.assert_close(mean, torch.zeros(7), atol=1e-5, rtol=0)
    torch.testing.assert_close(variance, torch.ones(7), atol=1e-4, rtol=0)


def test_data_dependent_init_uses_init_std_or_skips() -> None:
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1
    small, as_it_is = normalised_linear(5, 7, init_std=0.1), normalised_linear(5, 7, init_std=None)
    before = as_it_is(x)
    data_dependent_init(small, x)
    data_dependent_init(as_it_is, x)
    deviation, mean = torch.std_mean(small(x), 0, correction=0)
    torch.testing.assert_close((mean, deviation), (torch.zeros(7), torch.full((7,), 0.1)), atol=1e-5, rtol=0)
    assert torch.equal(as_it_is(x), before)


def test_layers_are_initialised_in_order_on_their_inputs() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(normalised_conv(2, 6, 3, 1, 1), nn.ReLU(), normalised_conv(6, 4, 3, 2, 1), nn.Flatten(),
                        normalised_linear(36, 5))  # fmt: skip
    x, seen = torch.randn(32, 2, 6, 6), []
    data_dependent_init(net, x)
    for layer in net:
        if isinstance(layer, WeightNormalised):
            layer.register_forward_hook(lambda layer, given, out: seen.append(out))
    net(x)
    assert len(seen) == 3
    for out in seen:
        variance, mean = torch.var_mean(out, around(out), correction=0)
        assert mean.abs().max() < 1e-5 and (variance - 1).abs().max() < 1e-3


@every_layer
def test_the_map_is_that_of_salimans_and_kingma(name: str) -> None:
    """w = g v / |v| (Eq. 2), written out for each output."""
    layer, x = made(name)
    layer.scale.copy_(torch.rand(7) + 0.5)
    layer.bias.data = torch.randn(7)
    v = layer.direction.detach()
    v = v.transpose(0, 1) if name == "up" else v
    weight = torch.stack([layer.scale[k] * v[k] / v[k].norm() for k in range(7)])
    if name == "linear":
        expected = linear(x, weight, layer.bias)
    elif name == "conv":
        expected = conv2d(x, weight, layer.bias, 2, 1)
    else:
        expected = conv_transpose2d(x, weight.transpose(0, 1), layer.bias, 2, 1, (1, 0))
    torch.testing.assert_close(layer(x), expected)


@every_layer
def test_the_gradient_is_orthogonal_to_the_direction(name: str) -> None:
    """Their section 2.1: the gradient of v is projected away from v, which therefore only grows."""
    layer, x = made(name)
    layer(x).square().sum().backward()
    assert layer.direction.grad is not None
    dots = (layer.direction.grad * layer.direction).sum(around_of(layer))
    scale = layer.direction.grad.abs().sum()
    assert dots.abs().max() < 1e-4 * scale


def around_of(layer: WeightNormalised) -> list[int]:
    return [k for k in range(layer.direction.dim()) if layer.direction.shape[k] != 7]


@every_layer
def test_the_norm_of_the_direction_does_not_matter(name: str) -> None:
    layer, x = made(name)
    before = layer(x)
    layer.direction.data *= 12.5
    torch.testing.assert_close(layer(x), before)


@every_layer
def test_scales_are_parameters_only_with_train_scale(name: str) -> None:
    (fixed, _), (trained, _) = made(name), made(name, trained=True)
    assert {k for k, _ in fixed.named_parameters()} == {"direction", "bias"}
    assert {k for k, _ in trained.named_parameters()} == {"direction", "bias", "scale"}
    assert fixed.state_dict().keys() == trained.state_dict().keys()  # either way they are saved


def test_a_constant_output_keeps_its_scale() -> None:
    layer = normalised_linear(4, 3)
    data_dependent_init(layer, torch.ones(8, 4))
    assert torch.equal(layer.scale, torch.ones(3))
    torch.testing.assert_close(layer(torch.ones(8, 4)), torch.zeros(8, 3), atol=1e-6, rtol=0)
    assert torch.isfinite(normalised_linear(4, 3)(torch.zeros(1, 4))).all()


def test_hooks_are_removed_even_after_an_error() -> None:
    layer = normalised_linear(4, 3)
    with pytest.raises(RuntimeError):
        data_dependent_init(layer, torch.ones(8, 5))
    assert not layer._forward_hooks


@every_layer
def test_layers_are_pickled(name: str) -> None:
    layer, x = made(name)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(x), layer(x))
