"""Conformance of minimum-norm attacks, besides test_all_attacks.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from sparring.attacks.carlini_wagner import carlini_wagner
from sparring.attacks.deepfool import deepfool
from sparring.attacks.fmn import fmn
from sparring.attacks.hop_skip_jump import hop_skip_jump
from sparring.attacks.losses import margin
from sparring.attacks.norms import Norm
from sparring.attacks.result import Result
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model

Attack = Callable[..., Result]
ATTACKS: dict[str, tuple[Attack, tuple[Norm, ...]]] = {
    "carlini_wagner": (partial(carlini_wagner, steps=40, searches=4, lr=0.05), ("L2",)),
    "deepfool": (deepfool, ("L2", "Linf", "L1")),
    "fmn": (partial(fmn, steps=30), ("Linf", "L2", "L1", "L0")),
    "hop_skip_jump": (partial(hop_skip_jump, steps=3, draws=30), ("L2", "Linf")),
}
CASES = [pytest.param(attack, norm, id=f"{name}-{norm}") for name, (attack, norms) in ATTACKS.items() for norm in norms]
every_attack = pytest.mark.parametrize(("attack", "norm"), CASES)

EPS: dict[Norm, float] = {"Linf": 0.2, "L2": 0.4, "L1": 0.8, "L0": 3.0}
WHOLE: dict[Norm, float] = {"Linf": 1.0, "L2": 3.0, "L1": 9.0, "L0": 9.0}
SHAPES = {"image": (1, 3, 3), "waveform": (1, 9), "table": (9,)}


def problem(*shape: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network of three classes and eight rows, of which the last two are misclassified."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 12), nn.Tanh(), nn.BatchNorm1d(12), nn.Dropout(), nn.Linear(12, 3))
    with torch.no_grad():
        model[1].weight *= 4
        x = torch.rand(8, *shape)
        model(torch.rand(64, *shape))
        model.eval()
        model[-1].bias -= model(torch.rand(256, *shape)).mean(0)
        y = model(x).argmax(1)
    y[-2:] = (y[-2:] + 1) % 3
    return model, x, y


@every_attack
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("targeted", [False, True], ids=["away", "targeted"])
def test_adv_success_and_distance_agree(attack: Attack, norm: Norm, shape: tuple[int, ...], targeted: bool) -> None:
    model, x, y = problem(*shape)
    target = (y + 1) % 3 if targeted else None
    threat = Threat(norm, EPS[norm])
    result = attack(model, x, y, threat, target=target)
    logits = model(result.adv).detach()
    assert result.adv.dtype == x.dtype and threat.allows(result.adv, x).all()
    assert torch.equal(result.success, logits.argmax(1) == target if targeted else logits.argmax(1) != y)
    torch.testing.assert_close(result.loss, margin(logits, y, target))
    torch.testing.assert_close(result.distance[result.success], threat.distance(result.adv, x)[result.success])
    assert (result.distance[~result.success] > EPS[norm]).all()
    assert (result.queries >= 2).all() and (result.gradients >= 0).all() and (result.iterations >= 0).all()


@every_attack
def test_an_unbounded_ball_gives_every_row_a_distance(attack: Attack, norm: Norm) -> None:
    model, x, y = problem(9)
    unbounded = attack(model, x, y, Threat(norm, WHOLE[norm]))
    assert unbounded.success.all() and torch.isfinite(unbounded.distance).all()
    assert torch.equal(unbounded.distance[-2:], torch.zeros(2)) and torch.equal(unbounded.adv[-2:], x[-2:])
    assert (unbounded.queries[-2:] == 2).all() and (unbounded.gradients[-2:] == 0).all()
    bounded = attack(model, x, y, Threat(norm, EPS[norm]))
    assert (
        bounded.distance <= unbounded.distance
    ).all()  # what is drawn into the ball may be adversarial still, and nearer
    missed = ~bounded.success
    assert torch.equal(bounded.distance[missed], unbounded.distance[missed])


@every_attack
def test_a_row_does_not_depend_on_its_batch(attack: Attack, norm: Norm) -> None:
    model, x, y = problem(1, 3, 3)
    threat = Threat(norm, WHOLE[norm])
    unbounded, part = attack(model, x, y, threat), attack(model, x[2:5], y[2:5], threat)
    torch.testing.assert_close(part.distance, unbounded.distance[2:5], rtol=1e-3, atol=1e-5)


@every_attack
def test_masks_and_unbounded_boxes(attack: Attack, norm: Norm) -> None:
    model, x, y = problem(9)
    mask = torch.tensor([1.0, 0, 1, 1, 0, 1, 1, 1, 1])
    low = torch.full((9,), -torch.inf).index_fill(0, torch.tensor([0, 2]), 0.0)
    threat = Threat(norm, WHOLE[norm], low, torch.inf, mask=mask)
    extra = {"start": x[[1, 2, 3, 4, 5, 6, 7, 0]]} if getattr(attack, "func", attack) is hop_skip_jump else {}
    result = attack(model, x, y, threat, **extra)
    assert threat.allows(result.adv, x).all() and torch.equal(result.adv * (1 - mask), x * (1 - mask))
    assert torch.isfinite(result.adv).all() and result.success.sum() > 2


@every_attack
def test_all_rows_misclassified_already(attack: Attack, norm: Norm) -> None:
    model, x, y = problem(9)
    result = attack(model, x, (y + 1) % 3, Threat(norm, 0.0), target=model(x).argmax(1))
    assert result.success.all() and torch.equal(result.adv, x) and not result.distance.any()


@every_attack
def test_a_constant_model_has_no_adversarial_example(attack: Attack, norm: Norm) -> None:
    _, x, _ = problem(9)

    def constant(x: Tensor) -> Tensor:
        return 0 * x[:, :3] + torch.tensor([2.0, 0.0, 0.0])

    result = attack(constant, x, torch.zeros(8, dtype=torch.int64), Threat(norm, EPS[norm]))
    assert not result.success.any() and torch.isinf(result.distance).all() and torch.isfinite(result.adv).all()


def linear(classes: int, size: int, seed: int = 0) -> tuple[Model, Tensor, Tensor, dict[Norm, Tensor]]:
    """Return a linear classifier, rows inside the box, and their distances: |margin| over the dual norm of w."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(classes, size, generator=generator)
    x = 0.4 + 0.2 * torch.rand(6, size, generator=generator)
    b = -(x @ w.T).mean(0)
    y = (x @ w.T + b).argmax(1)
    gaps, others = [], []
    for k in range(1, classes):
        other = (y + k) % classes
        others.append(w[y] - w[other])
        gaps.append((others[-1] * x).sum(1) + b[y] - b[other])
    gap, normal = torch.stack(gaps), torch.stack(others)
    distance: dict[Norm, Tensor] = {
        "L2": (gap / normal.norm(dim=2)).amin(0),
        "Linf": (gap / normal.abs().sum(2)).amin(0),
        "L1": (gap / normal.abs().amax(2)).amin(0),
    }
    return lambda x: x @ w.T + b, x, y, distance


FULL: dict[str, tuple[Attack, Norm, float]] = {
    "carlini_wagner-L2": (partial(carlini_wagner, steps=300, lr=0.003), "L2", 1.03),
    "deepfool-L2": (deepfool, "L2", 1.021),
    "deepfool-Linf": (deepfool, "Linf", 1.021),
    "deepfool-L1": (deepfool, "L1", 1.021),
    "fmn-L2": (fmn, "L2", 1.01),
    "fmn-Linf": (fmn, "Linf", 1.01),
    "fmn-L1": (fmn, "L1", 1.05),
    "hop_skip_jump-L2": (hop_skip_jump, "L2", 1.2),
    "hop_skip_jump-Linf": (hop_skip_jump, "Linf", 1.2),
}


@pytest.mark.parametrize(("attack", "norm", "most"), FULL.values(), ids=FULL)
def test_distance_from_a_linear_boundary(attack: Attack, norm: Norm, most: float) -> None:
    model, x, y, distance = linear(2, 12)
    result = attack(model, x, y, Threat(norm, WHOLE[norm]))
    ratio = result.distance / distance[norm]
    assert result.success.all() and (ratio >= 1 - 1e-3).all() and (ratio <= most).all(), ratio


@pytest.mark.parametrize("norm", ["L2", "Linf", "L1"])
def test_deepfool_finds_the_nearest_of_many_boundaries(norm: Norm) -> None:
    model, x, y, distance = linear(6, 12)
    result = deepfool(model, x, y, Threat(norm, WHOLE[norm]))
    torch.testing.assert_close(result.distance, 1.02 * distance[norm], rtol=1e-3, atol=1e-6)
    assert (result.iterations == 1).all()


def test_fmn_finds_the_fewest_entries() -> None:
    """The fewest entries, each moved to its bound, that sum to more than the margin: by sorting."""
    model, x, y, _ = linear(2, 12, seed=3)
    w = torch.autograd.functional.jacobian(lambda point: model(point[None])[0], x[0])
    toward = (w[1 - y] - w[y])[:, None].squeeze(1)
    gain = torch.where(toward > 0, toward * (1 - x), -toward * x).sort(1, descending=True).values.cumsum(1)
    logits = model(x)
    gap = (logits.gather(1, y[:, None]) - logits.gather(1, 1 - y[:, None])).squeeze(1)
    least = (gain <= gap[:, None]).sum(1) + 1
    result = fmn(model, x, y, Threat("L0", 12))
    assert (result.distance >= least).all() and (result.distance <= least + 1).all()
