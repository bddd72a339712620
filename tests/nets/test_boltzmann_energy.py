"""The energy of Boltzmann machines against sums over all states, and its annealing path."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from sparring.nets.boltzmann_energy import VISIBLE_UNITS, Energy, HiddenPath, exact_log_z

D, H1, H2 = 4, 3, 2
layers = pytest.mark.parametrize("top", [0, H2], ids=["rbm", "dbm"])


def states(bits: int) -> Tensor:
    """All states of binary units, float64 `[2^bits, bits]`."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=bits)), dtype=torch.float64).view(2**bits, bits)


def energy_of(top: int, visible: str = "binary", scale: float = 1.0) -> Energy:
    generator = torch.Generator().manual_seed(0)
    shapes = [(D, H1), (H1, top), (D,), (H1,), (top,)]
    w1, w2, b, c1, c2 = (scale * torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return Energy(VISIBLE_UNITS[visible], w1, w2, b, c1, c2)


def minus_energies(e: Energy) -> Tensor:
    """-E of all states of binary units, `[2^D, 2^H1, 2^H2]`, term by term."""
    v, h1, h2 = states(D), states(H1), states(len(e.c2))
    pairs = (v @ e.w1 @ h1.t())[:, :, None] + (h1 @ e.w2 @ h2.t())[None]
    return pairs + (v @ e.b)[:, None, None] + (h1 @ e.c1)[None, :, None] + (h2 @ e.c2)[None, None]


@layers
def test_marginals_are_sums_over_all_states(top: int) -> None:
    e = energy_of(top)
    table = minus_energies(e)
    torch.testing.assert_close(e.log_marginal(states(H1)), table.logsumexp((0, 2)))
    torch.testing.assert_close(exact_log_z(e), float(table.flatten().logsumexp(0)))
    v, h1 = states(D).repeat_interleave(2**H1, 0), states(H1).repeat(2**D, 1)
    torch.testing.assert_close(e.log_joint(v, h1), table.logsumexp(2).flatten())


def test_without_a_second_layer_the_bound_is_the_free_energy() -> None:
    e = energy_of(0)
    fields, _ = e.mean_field(states(D), rounds=3)
    torch.testing.assert_close(e.bound(states(D), fields), minus_energies(e).logsumexp((1, 2)))


def test_the_mean_field_bound_is_below_and_rises() -> None:
    e = energy_of(H2)
    exact = minus_energies(e).logsumexp((1, 2))
    gaps = torch.stack([exact - e.bound(states(D), e.mean_field(states(D), rounds)[0]) for rounds in (0, 1, 3, 50)])
    assert (gaps > 0).all() and (gaps.diff(dim=0) < 1e-9).all() and gaps[-1].max() < 0.5
    posterior = torch.sigmoid(e.mean_field(states(D), 50, 1e-9)[0])
    again = e.c1 + states(D) @ e.w1 + torch.sigmoid(e.top_field(posterior)) @ e.w2.t()
    torch.testing.assert_close(posterior, torch.sigmoid(again), atol=1e-6, rtol=0)


def test_gaussian_units_integrate_to_the_partition_function() -> None:
    """One visible unit: the integral of exp(-E) over a grid, summed over the hidden states."""
    e = energy_of(0, "gaussian")
    one = Energy(e.units, e.w1[:1], e.w2, e.b[:1], e.c1, e.c2)
    v = torch.linspace(-15, 15, 20_001, dtype=torch.float64)[:, None]
    fields, _ = one.mean_field(v, rounds=1)
    total = torch.trapezoid(one.bound(v, fields).exp(), v[:, 0])
    assert float(total.log()) == pytest.approx(exact_log_z(one), abs=1e-6)


@layers
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_a_sweep_leaves_the_distribution_and_is_reversible(top: int, beta: float) -> None:
    """On 8 states of h1: frequencies of transitions from exact states are those of the density, and symmetric."""
    e = energy_of(top)
    path = HiddenPath(e, torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64))
    every = path.state(states(H1))
    p = path.log_ratio(every, 0.0, beta).softmax(0)
    generator, n = torch.Generator().manual_seed(1), 200_000
    first = torch.multinomial(p, n, replacement=True, generator=generator)
    after = path.step(path.state(states(H1)[first]), beta, generator).h1
    last = (after @ torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)).long()
    counts = torch.bincount(first * 8 + last, minlength=64).view(8, 8).double()
    assert ((counts.sum(0) / n - p).abs() < 5 * (p / n).sqrt() + 1e-5).all()
    assert ((counts - counts.t()).abs() < 5 * (counts + counts.t()).sqrt() + 5).all()


@layers
def test_the_path_leads_from_the_base_to_the_model(top: int) -> None:
    e = energy_of(top)
    base = torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64)
    path = HiddenPath(e, base)
    every = path.state(states(H1))
    constant = path.log_z0 - H1 * math.log(2)
    torch.testing.assert_close(constant + path.log_ratio(every, 0.0, 1.0), e.log_marginal(states(H1)))
    halves = path.log_ratio(every, 0.0, 0.3) + path.log_ratio(every, 0.3, 1.0)
    torch.testing.assert_close(halves, path.log_ratio(every, 0.0, 1.0))


@layers
def test_clamped_units_give_the_conditional_distribution(top: int) -> None:
    e = energy_of(top)
    known = torch.tensor([True, False, True, False])
    table = minus_energies(e).logsumexp((1, 2))
    for v in states(D):
        same = (states(D)[:, known] == v[known]).all(1)
        clamped = e.clamped(v[None], known)
        log_z = exact_log_z(clamped)
        joint = clamped.log_joint(v[None, ~known].expand(8, -1), states(H1)).logsumexp(0)
        assert float(joint) - log_z == pytest.approx(float(table[(states(D) == v).all(1)] - table[same].logsumexp(0)))


@pytest.mark.parametrize("visible", VISIBLE_UNITS)
def test_visible_units_are_an_exponential_family(visible: str) -> None:
    """The derivative of the log-partition is the mean, and samples have it."""
    units = VISIBLE_UNITS[visible]
    field = torch.tensor([-2.0, 0.0, 0.7], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(units.log_partition(field).sum(), field)
    torch.testing.assert_close(gradient, units.mean(field))
    noise = torch.rand(100_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sampled = units.sample(field.detach().expand(100_000, 3), noise)
    torch.testing.assert_close(sampled.mean(0), units.mean(field).detach(), atol=0.02, rtol=0)
    torch.testing.assert_close(units.mean(units.field_of_mean(torch.tensor([0.2, 0.9]))), torch.tensor([0.2, 0.9]))
    ends = units.sample(field.detach(), torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64))
    assert torch.isfinite(ends).all()
