"""Adversarial training by closed forms: on a linear model the inner maximum is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from sparring.attacks.norms import length
from sparring.attacks.threat_model import Threat
from sparring.engine.game import Batch
from sparring.games.adversarial_training import (
    AdversarialTraining,
    Ascent,
    GaussianAugmentation,
    InnerAttack,
    PersistentPerturbation,
    adversarial_ce,
    data_start,
    gaussian_start,
    kl_divergence,
    kl_objective,
    mixed_ce,
    trades_loss,
    uniform_start,
)

FREE = {"low": -100.0, "high": 100.0}
"""A box without effect."""


class Linear(nn.Module):
    """Two logits, -s/2 and s/2 of s = w x + b: logistic regression."""

    def __init__(self, w: Tensor, b: float = 0.1) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(w), nn.Parameter(torch.tensor(b))

    def forward(self, x: Tensor) -> Tensor:
        s = x.flatten(1) @ self.w + self.b
        return torch.stack([-s / 2, s / 2], 1)


def some(seed: int, rows: int = 6, size: int = 5) -> tuple[Linear, Batch]:
    draw = torch.Generator().manual_seed(seed)
    net = Linear(torch.randn(size, generator=draw))
    x = torch.rand(rows, 1, 1, size, generator=draw) * 2 - 1
    return net, Batch(x, torch.randint(2, (rows,), generator=draw), seed=seed)


def signs(y: Tensor) -> Tensor:
    return 2.0 * y - 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.01, 0.5), st.sampled_from(["Linf", "L2"]), st.sampled_from([1, 7, 40]))
def test_on_a_linear_model_the_inner_maximum_is_reached(seed: int, eps: float, norm: str, steps: int) -> None:
    net, batch = some(seed)
    start = data_start if steps == 1 else uniform_start
    adv = Ascent(steps, 1.0 if steps == 1 else 2.5 / steps, start)(
        net, batch.x, batch.y, Threat(norm, eps, **FREE), batch
    )  # type: ignore[arg-type]
    s = batch.x.flatten(1) @ net.w + net.b
    dual = net.w.abs().sum() if norm == "Linf" else net.w.norm()
    found = cross_entropy(net(adv), batch.y, reduction="none")
    most = softplus(eps * dual - signs(batch.y) * s)
    if norm == "L2" and steps > 1:  # on a sphere many steps are needed
        assert (found <= most + 1e-5).all() and (found >= softplus(0.9 * eps * dual - signs(batch.y) * s) - 1e-5).all()
    else:
        torch.testing.assert_close(found, most)


def test_the_loss_of_goodfellow() -> None:
    """Section 5: of logistic regression under FGSM, J is softplus(eps |w|_1 - y (w x + b)); section 6 mixes it in."""
    net, batch = some(3)
    eps, alpha = 0.25, 0.3
    game = AdversarialTraining(
        net, Threat("Linf", eps, **FREE), attack=Ascent(1, 1.0, data_start), loss=mixed_ce(alpha)
    )
    loss, stats = game.loss("classifier", batch, 0.0)
    ys = signs(batch.y) * (batch.x.flatten(1) @ net.w + net.b)
    attacked = eps * net.w.abs().sum() - ys
    expected = alpha * softplus(-ys).mean() + (1 - alpha) * softplus(attacked).mean()
    torch.testing.assert_close(loss, expected)
    assert float(stats["accuracy"]) == pytest.approx(float((ys > 0).float().mean()))
    assert float(stats["robust"]) == pytest.approx(float((attacked < 0).float().mean()))


def test_trades_with_beta_0_is_cross_entropy() -> None:
    net, batch = some(4)
    adv = batch.x + 0.3
    plain = cross_entropy(net(batch.x), batch.y)
    torch.testing.assert_close(trades_loss(0.0)(net, batch.x, adv, batch.y)[0], plain)
    torch.testing.assert_close(trades_loss(6.0)(net, batch.x, batch.x, batch.y)[0], plain)  # nor where nothing moves
    dear = trades_loss(6.0)(net, batch.x, adv, batch.y)[0]
    torch.testing.assert_close(dear, plain + 6 * kl_divergence(net(batch.x), net(adv)).mean())


def test_kl_divergence_equals_torch() -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 5, 4, generator=draw, dtype=torch.float64)
    p, q = a.softmax(1), b.softmax(1)
    torch.testing.assert_close(kl_divergence(a, b), (p * (p / q).log()).sum(1))
    assert (kl_divergence(a, b) > 0).all() and float(kl_divergence(a, a).abs().max()) < 1e-12


def test_mixed_ce_with_alpha_0_is_adversarial_ce() -> None:
    net, batch = some(5)
    adv = batch.x - 0.2
    torch.testing.assert_close(
        mixed_ce(0.0)(net, batch.x, adv, batch.y)[0], adversarial_ce(net, batch.x, adv, batch.y)[0]
    )


def images(seed: int) -> tuple[nn.Module, Batch]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(3 * 9, 4))
    return net.train(), Batch(torch.rand(6, 2, 5, 5) * 2 - 1, torch.arange(6) % 4, seed=seed)


ATTACKS: dict[str, Callable[[], InnerAttack]] = {
    "fgsm": lambda: Ascent(1, 1.0, data_start),
    "fast": lambda: Ascent(1, 1.25),
    "pgd": lambda: Ascent(10, 0.25),
    "trades": lambda: Ascent(5, 0.3, gaussian_start, kl_objective),
    "free": lambda: PersistentPerturbation(6, (2, 5, 5)),
}
every_attack = pytest.mark.parametrize("name", ATTACKS)


@every_attack
@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.6), ("L2", 2.0), ("L1", 3.0)])
def test_adversarial_examples_are_allowed_and_increase_the_loss(name: str, norm: str, eps: float) -> None:
    net, batch = images(0)
    threat, attack = Threat(norm, eps, low=-1.0, high=1.0), ATTACKS[name]()  # type: ignore[arg-type]
    for _ in range(3):  # a nonzero persistent perturbation
        adv = attack(net, batch.x, batch.y, threat, batch)
        assert threat.allows(adv, batch.x).all()
        cross_entropy(net(adv), batch.y).backward()  # type: ignore[no-untyped-call]
    assert (length(norm, adv - batch.x) > 0).all()  # type: ignore[arg-type]
    if name != "trades":  # which ignores labels
        net.eval()
        assert cross_entropy(net(adv), batch.y) > cross_entropy(net(batch.x), batch.y)


@every_attack
def test_an_attack_changes_no_state_and_is_deterministic(name: str) -> None:
    net, batch = images(1)
    before = {key: t.clone() for key, t in net.state_dict().items()}
    rng = torch.get_rng_state()
    threat = Threat("Linf", 0.3, low=-1.0, high=1.0)
    first, second = (
        ATTACKS[name]()(net, batch.x, batch.y, threat, Batch(batch.x, batch.y, seed=batch.seed)) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(rng, torch.get_rng_state())
    assert all(module.training for module in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert all(torch.equal(t, before[key]) for key, t in net.state_dict().items())


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_uniform_start_is_uniform_in_the_ball(norm: str) -> None:
    x = torch.zeros(4000, 1, 1, 3)
    start = uniform_start(Threat(norm, 0.5, low=-0.1, high=1.0).around(x), Batch(x, torch.zeros(4000), seed=2))  # type: ignore[arg-type]
    far = length(norm, start)  # type: ignore[arg-type]
    assert far.max() <= 0.5 and start.min() < -0.4  # be it out of the box
    for share in (0.5, 0.8):  # volumes
        assert float((far <= 0.5 * share).float().mean()) == pytest.approx(share**3, abs=0.03)
    assert start.mean((0, 1, 2)).abs().max() < 0.02


def test_extra_steps_keep_the_path_length() -> None:
    slow = Ascent(1, 1.25).with_extra_steps(4)
    assert slow.steps == 5 and slow.step == pytest.approx(0.25)
    assert Ascent(40, 1 / 30).with_extra_steps(0) == Ascent(40, 1 / 30)


def test_a_persistent_perturbation_moves_along_the_backward_gradient() -> None:
    """Shafahi et al. 2019, Algorithm 1: delta <- clip(delta + eps sign(grad), -eps, eps)."""
    net, batch = some(6)
    threat, carried = Threat("Linf", 0.2, **FREE), PersistentPerturbation(6, (1, 1, 5), step=0.75)
    game = AdversarialTraining(net, threat, attack=carried)
    assert game.players["attack"] is carried
    way = (-signs(batch.y)[:, None] * net.w.detach()).sign().view(6, 1, 1, 5)  # down for the label
    for expected in (0.75, 1.0, 1.0):
        loss, _ = game.loss("classifier", batch, 0.0)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(carried.perturbation, way * 0.2 * expected)
    with torch.no_grad():
        game.loss("classifier", batch, 0.0)  # no gradient, no update
    torch.testing.assert_close(carried.perturbation, way * 0.2)


def test_a_persistent_perturbation_uses_its_batch_slice() -> None:
    net, batch = some(7)
    carried = PersistentPerturbation(6, (1, 1, 5))
    part = Batch(batch.x[2:4], batch.y[2:4], batch_slice=slice(2, 4), full_size=6)
    AdversarialTraining(net, Threat("Linf", 0.2, **FREE), attack=carried).loss("classifier", part, 0.0)[0].backward()  # type: ignore[no-untyped-call]
    moved = carried.perturbation.flatten(1).abs().sum(1) > 0
    assert moved.tolist() == [False, False, True, True, False, False]


def test_eps_can_grow() -> None:
    net, batch = some(8)
    game = AdversarialTraining(
        net, Threat("Linf", 0.4, **FREE), attack=Ascent(1, 1.0, data_start), eps_factor=lambda at: at
    )
    plain = cross_entropy(net(batch.x), batch.y)
    first, middle, last = (game.loss("classifier", batch, at)[0] for at in (0.0, 0.5, 1.0))
    torch.testing.assert_close(first, plain)
    assert first < middle < last
    full = AdversarialTraining(net, Threat("Linf", 0.4, **FREE), attack=Ascent(1, 1.0, data_start))
    torch.testing.assert_close(last, full.loss("classifier", batch, 0.0)[0])


def test_the_default_is_that_of_madry() -> None:
    game = AdversarialTraining(some(0)[0], Threat("Linf", 0.3))
    assert game.attack == Ascent(40, 1 / 30) and list(game.players) == ["classifier"] == list(game.turns)


def test_gaussian_augmentation_has_its_std() -> None:
    x = torch.zeros(50, 1, 20, 20)
    batch = Batch(x, torch.zeros(50, dtype=torch.int64), seed=3)
    first, second = (
        GaussianAugmentation(0.5)(nn.Identity(), x, batch.y, Threat("L2", 0.1), Batch(x, batch.y, seed=3))
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert abs(first.std().item() - 0.5) < 0.01 and abs(first.mean().item()) < 0.01
