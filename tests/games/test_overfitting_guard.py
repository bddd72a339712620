"""The guard rolls back an artificial collapse, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import Adam

from sparring.attacks.threat_model import Threat
from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System
from sparring.games.adversarial_training import AdversarialTraining, Ascent
from sparring.games.overfitting_guard import OverfittingGuard

THREAT = Threat("Linf", 0.2, low=-1.0, high=1.0)


def guarded() -> tuple[System, OverfittingGuard, nn.Linear]:
    """Rows of two numbers, class by the sign of the first; a net that knows it, with a margin that withstands."""
    last = nn.Linear(2, 2)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[-4.0, 0.0], [4.0, 0.0]]))
        last.bias.zero_()
    guard = OverfittingGuard(last, THREAT)
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0)) * 0.5 - 0.25
    x[:, 0] += torch.where(torch.arange(60) < 30, 0.6, -0.6)
    guard.set_images(x, (x[:, 0] > 0).long())
    game = AdversarialTraining(last, THREAT, observers={"guard": guard})
    system = System(game, {"classifier": Adam(last.parameters(), 0.01)}, EMA(last, lambda at: 100.0))
    return system, guard, last


def step(system: System) -> None:
    loss, _ = system.game.loss("classifier", Batch(torch.rand(4, 2), torch.zeros(4, dtype=torch.int64)), 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    system.optimizers["classifier"].step()
    system.optimizers["classifier"].zero_grad()


def test_a_collapse_is_rolled_back() -> None:
    system, guard, net = guarded()
    assert guard.check(system) == (1.0, False)
    good = {key: t.clone() for key, t in net.state_dict().items()}
    step(system)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[-1.0, -9.0], [1.0, 9.0]]))  # correct on some, robust on none
        system.ema.net.load_state_dict(net.state_dict())
    now, back = guard.check(system)
    assert back and now < 0.5 and int(guard.rollbacks) == 1 and guard.best_accuracy == 1.0
    for there in (net, system.ema.net):
        assert all(torch.equal(t, good[key]) for key, t in there.state_dict().items())
    assert not system.optimizers["classifier"].state
    assert guard.check(system) == (1.0, False)
    step(system)  # and the optimizer continues


def test_a_small_drop_is_no_collapse_and_the_best_is_kept() -> None:
    system, guard, net = guarded()
    guard.check(system)
    with torch.no_grad():
        net.bias.copy_(torch.tensor([1.0, -1.0]))  # the threshold moves into the ones
    now, back = guard.check(system)
    assert 0.8 <= now < 1.0 and not back
    assert torch.equal(guard.net.get_parameter("bias"), torch.zeros(2))
    assert int(guard.rollbacks) == 0


def test_a_strengthened_attack_has_one_extra_step_per_rollback() -> None:
    _, guard, net = guarded()
    x = torch.full((3, 2), 0.4)
    y = torch.ones(3, dtype=torch.int64)
    attack = Ascent(1, 1.25)
    warned = guard.strengthen(attack)
    batch = Batch(x, y, seed=3)
    for more in (0, 2):
        guard.rollbacks.fill_(more)
        found = warned(net, x, y, THREAT, Batch(x, y, seed=3))
        assert torch.equal(found, attack.with_extra_steps(more)(net, x, y, THREAT, Batch(x, y, seed=batch.seed)))


def test_its_state_is_saved_without_the_images() -> None:
    _, guard, _ = guarded()
    assert set(guard.state_dict()) == {"best", "rollbacks", "net.weight", "net.bias"}


def test_images_are_required() -> None:
    system, _, net = guarded()
    with pytest.raises(UsageError, match=r"guard\.set_images\(x, y\)"):
        OverfittingGuard(net, THREAT).check(system)
