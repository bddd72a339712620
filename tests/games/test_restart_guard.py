"""The guard restarts a training that is no better than a constant answer, and no other."""

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
from sparring.games.adversarial_training import AdversarialTraining
from sparring.games.restart_guard import RestartGuard

THREAT = Threat("Linf", 0.2, low=-1.0, high=1.0)


def guarded(ramp: float = 0.1) -> tuple[System, RestartGuard, nn.Linear]:
    """Rows of two numbers, class by the sign of the first, and a network that answers 0 to all."""
    net = nn.Linear(2, 2)
    with torch.no_grad():
        net.weight.zero_()
        net.bias.copy_(torch.tensor([1.0, 0.0]))
    guard = RestartGuard(net, ramp)
    x = torch.linspace(-1, 1, 60)[:, None].expand(60, 2).clone()
    guard.set_images(x, (x[:, 0] > 0).long())
    game = AdversarialTraining(net, THREAT, eps_factor=guard.eps_factor, observers={"restart": guard})
    return System(game, {"classifier": Adam(net.parameters(), 0.01)}, EMA(net, lambda at: 100.0)), guard, net


def test_a_training_at_chance_begins_anew_with_a_longer_ramp_and_half_the_learning_rate() -> None:
    system, guard, net = guarded()
    initial = {key: t.clone() for key, t in net.state_dict().items()}
    loss, _ = system.game.loss("classifier", Batch(torch.rand(4, 2), torch.zeros(4, dtype=torch.int64)), 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    system.optimizers["classifier"].step()
    with torch.no_grad():
        net.bias.copy_(torch.tensor([0.0, 1.0]))  # another constant answer
    assert [guard.eps_factor(at) for at in (0.0, 0.05, 0.1, 0.5)] == [0.0, 0.5, 1.0, 1.0]
    accuracy, restarted = guard.check(system, 0.1)
    assert restarted and accuracy.value == 0.5
    for there in (net, system.ema.net):
        assert all(torch.equal(t, initial[key]) for key, t in there.state_dict().items())
    assert not system.optimizers["classifier"].state
    assert guard.eps_factor(0.1) == 0.0 and guard.eps_factor(0.3) == pytest.approx(0.5) and guard.eps_factor(0.6) == 1.0
    assert guard.gentler(lambda at: 0.4)(0.2) == 0.2


def test_a_training_that_learns_goes_on() -> None:
    system, guard, net = guarded()
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
        net.bias.zero_()
    accuracy, restarted = guard.check(system, 0.3)
    assert not restarted and accuracy.value == 1.0 and int(guard.restarts) == 0
    assert net.weight[1, 0] == 1.0 and guard.gentler(lambda at: 0.4)(0.2) == 0.4


def test_the_longest_ramp_leaves_time_at_the_full_eps() -> None:
    system, guard, _ = guarded(ramp=0.0)
    assert guard.eps_factor(0.0) == 1.0
    restarted = [at for at in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9) if guard.check(system, at)[1]]
    assert restarted == [0.1, 0.3]  # after a tenth, and after two more
    assert guard.eps_factor(0.72) == pytest.approx(1.0) and guard.eps_factor(0.65) < 1


def test_its_state_is_saved_and_the_images_are_not() -> None:
    system, guard, _ = guarded()
    guard.check(system, 0.25)
    _, other, _ = guarded()
    other.load_state_dict(guard.state_dict())
    assert (int(other.restarts), float(other.start)) == (1, 0.25) and set(guard.state_dict()) == {"restarts", "start"}


def test_without_images_it_says_so() -> None:
    system, _, net = guarded()
    with pytest.raises(UsageError, match="the guard has no images"):
        RestartGuard(net).check(system, 0.5)
