"""The game of Boltzmann machines: its gradient is that of the likelihood, and its chains resume to the bit."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sparring.engine.game import Batch
from sparring.games.boltzmann import ContrastiveGame
from sparring.nets.boltzmann import MEAN_FIELD_ROUNDS, BoltzmannMachine
from sparring.nets.boltzmann_energy import VISIBLE_UNITS, Energy, exact_log_z

HIDDEN = {"rbm": (3,), "dbm": (3, 2)}
machines = pytest.mark.parametrize("name", HIDDEN)
visibles = pytest.mark.parametrize("visible", ["binary", "gaussian"])
H1 = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)))


def machine(name: str, visible: str = "binary", chains: int = 10) -> BoltzmannMachine:
    torch.manual_seed(0)
    net = BoltzmannMachine((1, 2, 2), HIDDEN[name], std=0.7, chains=chains, visible=visible)
    with torch.no_grad():
        net.visible_offset.uniform_()
        net.b.normal_()
    return net


def batch(rows: int = 6, step: int = 0, visible: str = "binary") -> Batch:
    x = torch.randn(rows, 1, 2, 2, generator=torch.Generator().manual_seed(step))
    return Batch(x.sign() if visible == "binary" else x.tanh(), torch.zeros(rows, dtype=torch.int64), step, 100 + step)


def differentiable_energy(net: BoltzmannMachine) -> Energy:
    """The energy of uncentred units, from the centred parameters, with gradients."""
    b = net.b - net.w1 @ net.offset1
    c1 = net.c1 - net.visible_offset @ net.w1 - net.w2 @ net.offset2
    return Energy(VISIBLE_UNITS[net.visible], net.w1, net.w2, b, c1, net.c2 - net.offset1 @ net.w2)


@machines
@visibles
def test_the_gradient_is_that_of_the_likelihood(name: str, visible: str) -> None:
    """With chains that are exact samples: within the error of 40,000 of them, of the (bound of the) likelihood."""
    net = machine(name, visible)
    net.steps.fill_(1)  # not the first batch
    weights = net.energy().log_marginal(H1).softmax(0)
    net.chains = H1[torch.multinomial(weights, 20_000, replacement=True)].to(torch.uint8)
    game = ContrastiveGame(net, rounds=MEAN_FIELD_ROUNDS, offset_rate=0.0)
    data = batch(visible=visible)
    loss, _ = game.loss("generator", data, 0.0)
    names, parameters = zip(*net.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)

    noise = None if visible == "binary" else batch(visible=visible).uniform(4)
    v, energy = net.to_units(data.x, noise), differentiable_energy(net)
    with torch.no_grad():
        fields, _ = net.energy().mean_field(v, MEAN_FIELD_ROUNDS)
    log_z = energy.log_marginal(H1).logsumexp(0)
    assert float(log_z.detach()) == pytest.approx(exact_log_z(net.energy()), abs=1e-4)
    nll = -(energy.bound(v, fields).mean() - log_z)
    if visible == "gaussian":
        nll = nll + net.log_scale.sum()
    expected = torch.autograd.grad(nll / 4, parameters)
    for key, a, b in zip(names, gradients, expected, strict=True):
        torch.testing.assert_close(a, b, atol=0.015 if key.startswith(("w", "b", "c")) else 1e-5, rtol=0, msg=key)


@machines
@visibles
def test_the_first_batch_sets_the_means(name: str, visible: str) -> None:
    torch.manual_seed(0)
    net = BoltzmannMachine((1, 2, 2), HIDDEN[name], std=0.0, visible=visible)
    data = batch(50, visible=visible)
    ContrastiveGame(net).loss("generator", data, 0.0)
    marginal = VISIBLE_UNITS[visible].mean(net.energy().b)
    noise = None if visible == "binary" else batch(50, visible=visible).uniform(4)
    torch.testing.assert_close(marginal, net.to_units(data.x, noise).mean(0).detach())
    if visible == "gaussian":
        torch.testing.assert_close(net.log_scale.exp(), data.x.flatten(1).std(0, correction=0), atol=0.01, rtol=0)


@machines
@visibles
@pytest.mark.parametrize("pretraining", [0.0, 1.0])
def test_training_resumes_to_the_bit(name: str, visible: str, pretraining: float) -> None:
    def play(net: BoltzmannMachine, steps: range) -> None:
        game = ContrastiveGame(net, sweeps=2, pretraining=pretraining)
        for step in steps:
            net.zero_grad()
            loss, _ = game.loss("generator", batch(step=step, visible=visible), step / 10)
            loss.backward()
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.3 * p.grad

    whole = machine(name, visible)
    begun = copy.deepcopy(whole)
    play(whole, range(10))
    play(begun, range(4))
    resumed = machine(name, visible)
    resumed.load_state_dict(begun.state_dict())
    play(resumed, range(4, 10))
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key
    assert not torch.equal(whole.chains, machine(name, visible).chains)


def test_the_chains_depend_on_the_full_batch_alone() -> None:
    """So that two processes, with a half each, hold the same chains."""
    nets = [machine("rbm"), machine("rbm")]
    full = batch(6)
    for net, part in zip(nets, (slice(0, 3), slice(3, 6)), strict=True):
        net.steps.fill_(1)
        half = Batch(full.x[part], full.y[part], 0, full.seed, part, 6)
        ContrastiveGame(net, offset_rate=0.0).loss("generator", half, 0.0)
    assert torch.equal(nets[0].chains, nets[1].chains)


def test_pretraining_learns_one_layer_after_the_other() -> None:
    net = machine("dbm")
    game = ContrastiveGame(net, pretraining=0.5)

    def changed(at: float) -> set[str]:
        net.zero_grad()
        game.loss("generator", batch(50, step=1), at)[0].backward()
        return {name for name, p in net.named_parameters() if p.grad.abs().max() > 1e-7}

    changed(0.0)
    assert changed(0.1) == {"w1", "b", "c1"}
    assert changed(0.3) == {"w2", "c1", "c2"}
    assert changed(0.6) == {"w1", "w2", "b", "c1", "c2"}


@machines
def test_training_approaches_the_data(name: str) -> None:
    """Four pictures of 2x2 with equal probability: from 2.8 nats to within 0.3 of the possible log 4."""
    torch.manual_seed(0)
    pictures = torch.tensor([[1, 1, -1, -1], [-1, -1, 1, 1], [1, -1, 1, -1], [-1, 1, -1, 1.0]]).view(4, 1, 2, 2)
    net = BoltzmannMachine((1, 2, 2), {"rbm": (6,), "dbm": (6, 4)}[name], chains=200)
    game, adam = ContrastiveGame(net), torch.optim.Adam(net.parameters(), 0.03)
    for step in range(400):
        adam.param_groups[0]["lr"] = 0.03 * (1 - step / 400)
        adam.zero_grad()
        data = Batch(pictures.repeat(4, 1, 1, 1), torch.zeros(16), step, step)
        game.loss("generator", data, step / 400)[0].backward()
        adam.step()
    log_p: Tensor = net.log_prob(pictures)
    assert float(log_p.mean()) > -math.log(4) - 0.3


def test_autocast_changes_nothing() -> None:
    losses: list[Any] = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(ContrastiveGame(machine("dbm")).loss("generator", batch(), 0.0)[0])
    assert torch.equal(*losses) and losses[1].dtype == torch.float32
