"""Boltzmann machines as densities, samplers and encoders."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sparring.engine.ema import EMA
from sparring.engine.errors import SparringError
from sparring.nets.boltzmann import BoltzmannMachine

HIDDEN = {"rbm": (3,), "dbm": (3, 2)}
machines = pytest.mark.parametrize("name", HIDDEN)


def machine(name: str, shape: tuple[int, ...] = (1, 2, 2), seed: int = 0, **settings: Any) -> BoltzmannMachine:
    """A machine with large random weights and offsets."""
    torch.manual_seed(seed)
    net = BoltzmannMachine(shape, HIDDEN[name], std=1.5, **settings)
    with torch.no_grad():
        net.visible_offset.uniform_()
        net.b.normal_()
    return net


def pictures() -> Tensor:
    """All 16 binary images of 2x2."""
    return torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4))).view(16, 1, 2, 2)


def noise(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed))


def test_probabilities_of_a_restricted_machine_sum_to_one() -> None:
    net = machine("rbm")
    assert net.exact and float(net.log_prob(pictures()).exp().sum()) == pytest.approx(1, abs=1e-5)
    assert net.protocol() == {"log_z": "exact", "posterior": "exact"}


def test_the_bound_of_a_deep_machine_is_below() -> None:
    net = machine("dbm")
    total = float(net.log_prob(pictures()).exp().sum())
    assert not net.exact and 0.5 < total < 1
    assert net.protocol() == {"log_z": "exact", "posterior": "mean field, a lower bound"}


def test_8_bit_values_of_one_gaussian_pixel_sum_to_one() -> None:
    """As far as the density is constant within a bin, where one draw of noise decides."""
    net = machine("rbm", (1, 1, 1), visible="gaussian")
    net.standardise(torch.tensor([-0.1]), torch.tensor([0.08]))
    x = (torch.arange(256.0) / 127.5 - 1).view(256, 1, 1, 1)
    assert float(net.log_prob(x).exp().sum()) == pytest.approx(1, abs=0.02)
    samples = net(noise(500))
    torch.testing.assert_close(((samples + 1) * 127.5).round() / 127.5 - 1, samples)
    p = net.log_prob(x).exp()
    deviation = float((p * (x.flatten() - (p * x.flatten()).sum()) ** 2).sum() ** 0.5)
    assert float(samples.mean()) == pytest.approx(float((p * x.flatten()).sum()), abs=5 * deviation / 500**0.5)


@machines
def test_recentring_leaves_the_distribution(name: str) -> None:
    net = machine(name).double()
    before = net.log_prob(pictures().double())
    net.recentre(net.energy(), *(torch.rand(n, dtype=torch.float64) for n in (4, 3, len(net.c2))), rate=0.7)
    net.annealing.zero_()
    torch.testing.assert_close(net.log_prob(pictures().double()), before)


@machines
def test_samples_have_the_probabilities_of_the_density(name: str) -> None:
    """4,000 samples over 16 images; of the deep machine by its exact probabilities."""
    net = machine(name, chains=7, sweeps=60)
    samples = net(noise(4_000))
    codes = ((samples.flatten(1) + 1) / 2 @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    frequencies = torch.bincount(codes, minlength=16) / 4_000
    p = exact_probabilities(net)
    assert ((frequencies - p).abs() < 4.5 * (p / 4_000).sqrt() + 1e-4).all()
    entropy = -float((p * p.log()).sum())
    assert -float(p.log()[codes].mean()) == pytest.approx(entropy, abs=4 * float(p.log()[codes].std()) / 4_000**0.5)


def exact_probabilities(net: BoltzmannMachine) -> Tensor:
    e, h1 = net.energy(), torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)))
    v = (pictures().flatten(1) + 1) / 2
    return torch.stack([e.log_joint(row.expand(8, 4), h1).logsumexp(0) for row in v]).softmax(0)


@machines
def test_a_sample_depends_on_its_own_noise_alone(name: str) -> None:
    net, z = machine(name, (1, 5, 3), sweeps=20), noise(6)
    together = net(z)
    assert torch.equal(net(z[4:5])[0], together[4]) and torch.equal(net(z), together)
    assert together.shape == (6, 1, 5, 3) and set(together.unique().tolist()) <= {-1.0, 1.0}
    assert len(together.flatten(1).unique(dim=0)) > 1


@machines
def test_completion_keeps_what_is_known_and_has_the_conditional_probability(name: str) -> None:
    net, known = machine(name, sweeps=60), torch.tensor([[True, False], [True, False]])
    x = pictures()[5:6].expand(2_000, -1, -1, -1)
    filled, log_p = net.complete(x, known, noise(2_000))
    assert torch.equal(filled[..., known], x[..., known]) and filled[..., ~known].unique(dim=0).shape[0] >= 3
    exact = net.log_prob(pictures())
    same = (pictures()[..., known] == x[:1][..., known]).flatten(1).all(1)
    if name == "rbm":
        code = ((filled.flatten(1) + 1) / 2 @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
        torch.testing.assert_close(log_p, exact[code] - exact[same].logsumexp(0), atol=1e-5, rtol=0)
        for candidate in code.unique():
            p = float((exact[candidate] - exact[same].logsumexp(0)).exp())
            assert float((code == candidate).float().mean()) == pytest.approx(p, abs=4.5 * (p / 2_000) ** 0.5)
    else:
        assert (log_p < 0).all()


def test_completion_with_everything_or_nothing_known() -> None:
    net, x = machine("rbm", sweeps=5), pictures()[:3]
    filled, log_p = net.complete(x, torch.ones(2, 2, dtype=torch.bool), noise(3))
    assert torch.equal(filled, x) and log_p.tolist() == [0, 0, 0]
    filled, log_p = net.complete(x, torch.zeros(2, 2, dtype=torch.bool), noise(3))
    torch.testing.assert_close(log_p, net.log_prob(filled), atol=1e-5, rtol=0)


def test_an_annealed_completion_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    net, known = machine("rbm", sweeps=5), torch.tensor([[True, False], [False, False]])
    x = pictures()[[2, 2, 9]]
    exact = net.complete(x, known, noise(3))[1]
    monkeypatch.setattr(BoltzmannMachine, "enumerable", False)
    annealed = net.complete(x, known, noise(3))[1]
    torch.testing.assert_close(annealed, exact, atol=0.1, rtol=0)


@machines
@pytest.mark.parametrize("visible", ["binary", "gaussian"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 4), (1, 7, 1)], ids=str)
def test_any_shape(name: str, visible: str, shape: tuple[int, int, int]) -> None:
    net = machine(name, shape, visible=visible, sweeps=3, chains=5)
    samples = net(noise(4))
    assert samples.shape == (4, *shape) and samples.dtype == torch.float32
    assert net.log_prob(samples).shape == (4,) and torch.isfinite(net.log_prob(samples)).all()
    assert torch.equal(net.log_prob(samples), net.log_prob(samples))
    features = net.encode(samples)
    assert features.shape == (4, sum(HIDDEN[name])) and features.min() >= 0 and features.max() <= 1
    filled, log_p = net.complete(samples, torch.zeros(shape[1:], dtype=torch.bool), noise(4, 1))
    assert filled.shape == samples.shape and torch.isfinite(log_p).all()
    report = net.diagnostics(samples, torch.Generator().manual_seed(0))
    assert all(math.isfinite(value) for value in report.values())


@machines
def test_without_storage(name: str) -> None:
    """On the meta device, where memory is estimated."""
    with torch.device("meta"):
        net = BoltzmannMachine((1, 4, 4), HIDDEN[name])
    assert net.log_prob(torch.zeros(2, 1, 4, 4, device="meta")).shape == (2,)
    assert net(torch.zeros(2, 2, device="meta")).shape == (2, 1, 4, 4)


@machines
def test_autocast_changes_nothing(name: str) -> None:
    net, x = machine(name, sweeps=9), pictures()
    plain = net.log_prob(x), net(noise(5)), net.encode(x)
    net.annealing.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        for a, b in zip(plain, (net.log_prob(x), net(noise(5)), net.encode(x)), strict=True):
            assert torch.equal(a, b)


def test_grey_values_are_refused_by_binary_units() -> None:
    net = machine("rbm")
    with pytest.raises(SparringError, match=r"binary units.*binarise x to -1 and 1, or train with --visible gaussian"):
        net.log_prob(torch.zeros(1, 1, 2, 2))


def test_an_average_forgets_the_log_z_of_other_weights() -> None:
    net = machine("rbm")
    ema = EMA(net, lambda at: 10.0)
    ema.net.estimate_log_z(torch.Generator().manual_seed(0))
    assert ema.net.annealing[0] > 0
    with torch.no_grad():
        net.b += 1
    ema.update(100, 100, 0.5)
    assert ema.net.annealing[0] == 0
    assert float(ema.net.log_prob(pictures()).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_log_z_is_annealed_where_it_cannot_be_enumerated() -> None:
    torch.manual_seed(0)
    net = BoltzmannMachine((1, 2, 2), (21,), std=0.5)
    estimate = net.estimate_log_z(torch.Generator().manual_seed(0), chains=200, temperatures=300)
    assert not net.exact and (estimate.chains, estimate.temperatures) == (200, 300) and estimate.warnings == ()
    assert float(net.log_prob(pictures()).exp().sum()) == pytest.approx(1, abs=0.05)
    assert net.protocol()["log_z"] == "annealed importance sampling, 200 chains, 300 temperatures"


def test_a_state_dict_holds_all(tmp_path: Any) -> None:
    net = machine("dbm", sweeps=7)
    net.estimate_log_z(torch.Generator().manual_seed(0))
    other = machine("dbm", seed=5, sweeps=7)
    other.load_state_dict(copy.deepcopy(net.state_dict()))
    assert torch.equal(other.log_prob(pictures()), net.log_prob(pictures())) and torch.equal(
        other(noise(5)), net(noise(5))
    )


def test_diagnostics_find_dead_units_and_stuck_chains() -> None:
    torch.manual_seed(0)
    net, x = BoltzmannMachine((1, 4, 4), (30,), chains=60), torch.ones(8, 1, 4, 4)
    well = net.diagnostics(x, torch.Generator().manual_seed(0))
    assert abs(well["energy_autocorrelation"]) < 0.1 and well["stuck_chains"] < 0.1
    assert well["dead_units"] == well["saturated_units"] == 0
    with torch.no_grad():
        net.c1[:3], net.c1[3:9] = -30, 30
        net.visible_offset.fill_(0.5)
        net.offset1.fill_(0.5)
        net.w1[torch.arange(14), torch.arange(9, 23)] = 20  # pairs of units that hold each other
        net.b.normal_()
    ill = net.diagnostics(x, torch.Generator().manual_seed(0))
    assert ill["energy_autocorrelation"] > 0.5 and ill["stuck_chains"] > 0.4
    assert ill["dead_units"] >= 0.1 and ill["saturated_units"] >= 0.2
