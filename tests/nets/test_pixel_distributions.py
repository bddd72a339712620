import math

import pytest
import torch
from torch.autograd import gradcheck

from sparring.engine.errors import UsageError
from sparring.nets.pixel_distributions import Bernoulli, LogisticMixture, check_values, values_of

DISTRIBUTIONS = {
    "binary": Bernoulli(1),
    "binary, 3 channels": Bernoulli(3),
    "8 bits": LogisticMixture(1, 3),
    "4 values, 3 channels": LogisticMixture(3, 2, levels=4),
    "2 values": LogisticMixture(2, 2, levels=2),
}


def parameters_of(distribution, n=5, seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, distribution.parameters, generator=generator, dtype=torch.float64)


def all_pixels(distribution):
    values = values_of(distribution, torch.zeros((), dtype=torch.float64))
    return torch.cartesian_prod(*[values] * distribution.channels).view(-1, distribution.channels)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_probabilities_sum_to_one(distribution):
    for scale in 0.5, 3.0, 20.0:
        log_p = distribution.log_prob(parameters_of(distribution, scale=scale)[:, None], all_pixels(distribution))
        assert torch.allclose(log_p.exp().sum(1), torch.ones(5, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_conditionals_multiply_to_the_joint(distribution):
    parameters, pixels = parameters_of(distribution)[:, None], all_pixels(distribution)[:64]
    total = torch.zeros(5, len(pixels), dtype=torch.float64)
    terms = distribution.channel_log_probs(parameters, pixels)
    for channel in range(distribution.channels):
        table = distribution.conditional(parameters, pixels, channel)
        assert torch.allclose(table.exp().sum(-1), torch.ones((), dtype=torch.float64))
        index = ((pixels[:, channel] + 1) / 2 * (distribution.levels - 1)).round().long()
        term = table.expand(5, len(pixels), -1).gather(2, index.expand(5, -1)[..., None])[..., 0]
        assert torch.allclose(term, terms[..., channel], atol=1e-10)
        total += term
    assert torch.allclose(total, distribution.log_prob(parameters, pixels), atol=1e-10)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_samples_have_the_stated_probabilities(distribution):
    n = 200_000
    parameters = parameters_of(distribution, 1, scale=1.0)
    u = torch.rand(n, distribution.uniforms, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = distribution.sample(parameters.expand(n, -1), u)
    check_values(distribution, x[:, :, None])
    pixels, counts = x.unique(dim=0, return_counts=True)
    p = distribution.log_prob(parameters, pixels).exp()
    deviations = (counts / n - p).abs() / (p * (1 - p) / n + 1 / n**2).sqrt()
    assert deviations.max() < 5


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_gradients(distribution):
    parameters = parameters_of(distribution).requires_grad_()
    pixels = all_pixels(distribution)
    x = pixels[torch.linspace(0, len(pixels) - 1, 5).long()]  # both edges and values between
    assert gradcheck(lambda p: distribution.log_prob(p, x), parameters)


@pytest.mark.parametrize("extreme", [-1e4, -100.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_parameters_give_no_nan(extreme, dtype):
    distribution = LogisticMixture(1, 1)
    values = values_of(distribution, torch.zeros((), dtype=dtype))[:, None]
    for place in range(distribution.parameters):
        parameters = torch.zeros(1, distribution.parameters, dtype=dtype)
        parameters[0, place] = extreme
        parameters.requires_grad_()
        log_p = distribution.log_prob(parameters, values)
        log_p.sum().backward()
        assert torch.isfinite(log_p).all()
        assert torch.isfinite(parameters.grad).all()


def test_a_wide_logistic_is_uniform_inside():
    """The mass inside is that of the density times the step, where the scale is large: 1 / (4 s) * 2 / 255."""
    parameters = torch.tensor([[0.0, 0.0, 50.0]])
    log_p = LogisticMixture(1, 1).log_prob(parameters, torch.tensor([[1 / 255.0]]))
    assert log_p.item() == pytest.approx(math.log(2 / 255 / 4) - 50, rel=1e-6)


def test_a_narrow_logistic_is_certain_of_its_value():
    distribution = LogisticMixture(1, 1)
    value = values_of(distribution, torch.zeros((), dtype=torch.float64))[[77]]
    parameters = torch.tensor([[0.0, float(value), -100.0]], dtype=torch.float64)
    assert distribution.log_prob(parameters, value[None]).item() == pytest.approx(
        math.log(math.tanh(math.exp(7) / 255 / 2)), rel=1e-9
    )


def test_foreign_values_are_refused():
    with pytest.raises(UsageError, match="pixels must be -1 or 1"):
        check_values(Bernoulli(1), torch.zeros(2, 1, 3, 3))
    with pytest.raises(UsageError, match="256 values"):
        check_values(LogisticMixture(1), torch.full((2, 1, 3, 3), 0.5))
    with pytest.raises(UsageError, match="pixels must be"):
        check_values(LogisticMixture(1), torch.full((2, 1, 3, 3), 3.0))
    with pytest.raises(UsageError, match="pixels must be"):
        check_values(Bernoulli(1), torch.full((2, 1, 3, 3), -3.0))
    check_values(LogisticMixture(1), torch.arange(256)[None, None, None] / 127.5 - 1)
