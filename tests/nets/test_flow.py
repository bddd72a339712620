"""The multiscale flow: its map, its log-determinant, and that its probabilities are those of its samples."""

import math

import pytest
import torch
from torch import Tensor, nn

from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError
from sparring.nets.dequantisation import Dequantisation
from sparring.nets.flow import ImageFlow, squeezes
from sparring.nets.flow_diagnostics import largest_singular_value
from sparring.nets.flow_layers import ActNorm, Invertible1x1

SHAPES = [(1, 4, 4), (3, 5, 3), (1, 28, 28), (3, 1, 40), (1, 5, 3), (1, 7, 6), (2, 1, 1), (1, 1, 1), (3, 16, 8)]


def changed(net: nn.Module, scale: float = 0.1) -> nn.Module:
    """Add noise to the weights: the couplings of a fresh flow do nothing."""
    for parameter in net.parameters():
        parameter.data.add_(torch.randn_like(parameter) * scale)
    return net.eval()


def flow(shape: tuple[int, int, int], **settings: int) -> ImageFlow:
    torch.manual_seed(0)
    net = changed(ImageFlow(shape, steps=3, hidden=8, **settings))
    assert isinstance(net, ImageFlow)
    return net


def many_bounds(net: ImageFlow, x: Tensor, draws: int) -> Tensor:
    """Return the bound by each draw, `[draws, B]`."""
    repeated = x.repeat(draws, 1, 1, 1)
    noise = torch.randn(repeated.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    return net.bound(repeated, noise).view(draws, -1)


def jacobian(net: ImageFlow, x: Tensor, y: Tensor) -> Tensor:
    def function(v: Tensor) -> Tensor:
        return net.transform(v[None], y)[0][0]

    return torch.autograd.functional.jacobian(function, x).reshape(net.latent_dim, -1)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float64, 1e-9)])
def test_the_inverse_inverts(shape: tuple[int, int, int], dtype: torch.dtype, tolerance: float) -> None:
    net, y = flow(shape, classes=3).to(dtype), torch.tensor([0, 1, 2])
    x = 3 * torch.randn(3, *shape, dtype=dtype)
    z, log_det = net.transform(x, y)
    assert z.shape == (3, math.prod(shape)) and log_det.shape == (3,)  # no padded dimension is counted
    assert (net.inverse(z, y) - x).abs().max() < tolerance
    noise = torch.randn(3, net.latent_dim, dtype=dtype)
    assert (net.transform(net.inverse(noise, y), y)[0] - noise).abs().max() < tolerance


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if math.prod(shape) < 50], ids=str)
def test_the_log_determinant_is_that_of_autograd(shape: tuple[int, int, int]) -> None:
    net, y = flow(shape, classes=2).double(), torch.tensor([1])
    x = torch.randn(1, *shape, dtype=torch.float64)
    expected = torch.linalg.slogdet(jacobian(net, x[0], y))[1]
    torch.testing.assert_close(net.transform(x, y)[1][0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("hidden", [0, 6], ids=["uniform", "variational"])
def test_the_dequantisation_counts_its_volume(hidden: int) -> None:
    """dl/de = dl/du du/de, and q(u) = N(e) / (du/de)."""
    torch.manual_seed(0)
    layer = changed(Dequantisation((1, 2, 2), values=5, alpha=0.01, hidden=hidden)).double()
    x = torch.tensor([[-1.0, -0.5], [0.5, 1.0]], dtype=torch.float64).view(1, 1, 2, 2)
    noise = torch.randn(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    logits, log_ratio = layer(x, noise, None)
    (slopes,) = torch.autograd.grad(logits.sum(), noise)
    log_noise = -(noise.square() + math.log(2 * math.pi)).sum() / 2
    torch.testing.assert_close(log_ratio[0], slopes.log().sum() - log_noise)
    torch.testing.assert_close(layer.to_images(logits), x)


def test_a_density_of_two_pixels_integrates_to_one() -> None:
    net = flow((1, 1, 2)).double()
    line = torch.linspace(-15, 15, 251, dtype=torch.float64)
    points = torch.cartesian_prod(line, line).view(-1, 1, 1, 2)
    with torch.no_grad():
        z, log_det = net.transform(points)
    density = (log_det - z.square().sum(1) / 2).exp() / (2 * math.pi)
    assert abs(float(density.sum()) * 0.12**2 - 1) < 1e-6


@pytest.mark.parametrize("hidden", [0, 6], ids=["uniform", "variational"])
@pytest.mark.parametrize(("shape", "values"), [((1, 1, 2), 3), ((2, 1, 1), 3), ((1, 2, 2), 2), ((1, 1, 1), 256)])
def test_the_probabilities_sum_to_one_and_are_those_of_samples(
    shape: tuple[int, int, int], values: int, hidden: int
) -> None:
    """The average of many draws of the noise is the probability itself."""
    net = flow(shape, values=values, noise_hidden=hidden).double()
    grid = torch.linspace(-1, 1, values, dtype=torch.float64)
    x = torch.cartesian_prod(*[grid] * net.latent_dim).view(-1, *shape)
    with torch.no_grad():
        bounds = many_bounds(net, x, 1000 if values < 256 else 100)
        samples = net(torch.randn(20_000, net.latent_dim, dtype=torch.float64))
    probabilities = bounds.exp().mean(0)
    assert abs(float(probabilities.sum()) - 1) < 0.02
    if values < 256:
        found = (samples[:, None] - x).abs().flatten(2).amax(2).argmin(1).bincount(minlength=len(x)) / 20_000
        assert (found - probabilities).abs().max() < 0.02
    assert (bounds.mean(0) <= probabilities.log()).all()
    net.draws = 3
    assert torch.isfinite(net.log_prob(x)).all() and torch.equal(net.log_prob(x), net.log_prob(x))


def test_samples_are_as_probable_as_the_entropy_says() -> None:
    net = flow((1, 2, 2), values=2, noise_hidden=6).double()
    x = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4).view(-1, 1, 2, 2)
    with torch.no_grad():
        probabilities = many_bounds(net, x, 1000).exp().mean(0)
        samples = net(torch.randn(500, 4, dtype=torch.float64))
        surprise = -many_bounds(net, samples, 100).exp().mean(0).log()
    entropy = -(probabilities * probabilities.log()).sum()
    assert abs(surprise.mean() - entropy) < 4 * surprise.std() / math.sqrt(500) + 0.02


def test_a_sample_depends_on_its_noise_and_class_alone() -> None:
    net, z, y = flow((1, 8, 8), classes=3), torch.randn(5, 64), torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(net(z, y)[3:4], net(z[3:4], y[3:4]))
    assert not torch.equal(net(z, y), net(z, (y + 1) % 3))
    assert not torch.equal(net.log_prob(net(z, y), y), net.log_prob(net(z, y), (y + 1) % 3))


def test_samples_are_grey_values_with_the_gradient_of_the_map() -> None:
    net, z = flow((1, 4, 4)), torch.randn(3, 16, requires_grad=True)
    x = net(z)
    steps = (x + 1) * 127.5
    assert (steps - steps.round()).abs().max() < 1e-3 and x.abs().max() <= 1
    (gradient,) = torch.autograd.grad(x.sum(), z)
    smooth = (net.dequantisation.to_unit(net.inverse(z)) * 256 - 0.5) / 127.5
    torch.testing.assert_close(gradient, torch.autograd.grad(smooth.sum(), z)[0])


def test_the_first_images_of_a_training_start_actnorm_once() -> None:
    torch.manual_seed(0)
    net = ImageFlow((1, 8, 8), steps=2, hidden=4)
    average = EMA(net, lambda at: 100.0)
    x = (torch.rand(64, 1, 8, 8) * 2 - 1).round(decimals=1)
    net.eval().log_prob(x)
    assert not net.started
    net.train().log_prob(x)
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert net.started and any(layer.shift.any() for layer in net.modules() if isinstance(layer, ActNorm))
    net.log_prob(-x)
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())
    again = ImageFlow((1, 8, 8), steps=2, hidden=4)
    again.load_state_dict(weights)
    torch.testing.assert_close(again.train().log_prob(x), net.log_prob(x), rtol=0, atol=0)
    average.update(64, 64, 0.0)
    torch.testing.assert_close(average.net.eval().log_prob(x), net.eval().log_prob(x), rtol=1e-3, atol=0.1)
    layer = ActNorm(3)
    layer.start(5 + 3 * torch.randn(16, 3, 4, 4))
    z, _ = layer(5 + 3 * torch.randn(4096, 3, 4, 4))
    assert z.mean().abs() < 0.5 and 0.7 < z.std() < 1.3


def test_likelihoods_stay_in_float32_under_autocast() -> None:
    net, x = flow((1, 8, 8), noise_hidden=4), torch.linspace(-1, 1, 256)[:128].view(2, 1, 8, 8)
    expected = net.log_prob(x)
    with torch.autocast("cpu", torch.bfloat16):
        bound = net.log_prob(x)
        assert net(torch.randn(2, 64)).dtype == torch.float32
    assert bound.dtype == torch.float32 and (bound - expected).abs().max() < 0.02 * expected.abs().max()
    mix = Invertible1x1(6)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(mix.inverse(mix(torch.ones(1, 6, 2, 2))[0]), torch.ones(1, 6, 2, 2))


def test_levels_divide_even_sides_only() -> None:
    assert squeezes(28, 28) == [(2, 2), (2, 2)] and squeezes(32, 32) == [(2, 2)] * 3
    assert squeezes(7, 6) == [(1, 2)] and squeezes(5, 3) == [(1, 1)] == squeezes(1, 1)
    assert squeezes(92, 112) == [(2, 2), (2, 2), (1, 2), (1, 2)] and squeezes(2, 2) == [(2, 2)]
    assert squeezes(32, 32, 1) == [(2, 2)]


def test_it_runs_on_the_meta_device_and_refuses_other_shapes() -> None:
    net = ImageFlow((1, 8, 8), classes=2).to("meta")
    x, y = torch.zeros(2, 1, 8, 8, device="meta"), torch.zeros(2, dtype=torch.long, device="meta")
    assert net.log_prob(x, y).shape == (2,) and net(torch.zeros(2, 64, device="meta"), y).shape == x.shape
    with pytest.raises(UsageError, match=r"shape \(1, 8, 8\), not \(1, 8, 9\)"):
        flow((1, 8, 8)).log_prob(torch.zeros(1, 1, 8, 9))
    for value in (2.0, float("nan")):
        with pytest.raises(UsageError, match="outside -1 to 1"):
            flow((1, 8, 8)).log_prob(torch.full((1, 1, 8, 8), value))


def test_the_singular_values_are_those_of_the_jacobian() -> None:
    net = flow((1, 4, 4)).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    exact = [torch.linalg.svdvals(jacobian(net, row, None)) for row in x]  # type: ignore[arg-type]
    seed = torch.Generator().manual_seed(0)
    largest = largest_singular_value(lambda v: net.transform(v)[0], x, seed)
    torch.testing.assert_close(largest, torch.stack([values[0] for values in exact]), rtol=0.1, atol=0)
    images = torch.linspace(-1, 1, 32).view(2, 1, 4, 4).double()
    figures = net.diagnostics(images, seed)
    assert figures["finite_proportion"] == 1 and figures["round_trip"] < 1e-9 and 0 < figures["condition_number"] < 3


def test_a_broken_flow_is_seen() -> None:
    net, x = flow((1, 4, 4)), torch.linspace(-1, 1, 32).view(2, 1, 4, 4)
    for layer in net.modules():
        if isinstance(layer, ActNorm):
            layer.log_scale.data.fill_(60.0)
    figures = net.diagnostics(x, torch.Generator().manual_seed(0))
    assert figures["finite_proportion"] == 0 and not figures["round_trip"] < 1
