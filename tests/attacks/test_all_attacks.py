"""Conformance of all attacks, over norms and kinds of data. A new attack is one line in ATTACKS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from problems import convnet, data, mlp
from torch import Tensor, nn

from sparring.attacks import (
    Model,
    Result,
    TabularConstraints,
    Threat,
    apgd,
    carlini_wagner,
    deepfool,
    evolution,
    fab,
    fgsm,
    fmn,
    greedy,
    hop_skip_jump,
    pgd,
    square,
)
from sparring.attacks.losses import dlr, margin
from sparring.attacks.norms import Norm
from sparring.engine.errors import UsageError

Attack = Callable[..., Result]

ATTACKS: dict[str, Attack] = {
    "fgsm": fgsm,
    "pgd": partial(pgd, steps=10),
    "pgd-momentum": partial(pgd, steps=10, momentum=0.9, loss=margin, restarts=2),
    "apgd": partial(apgd, steps=20),
    "apgd-dlr": partial(apgd, steps=20, loss=dlr),
    "apgd-t": partial(apgd, steps=20, loss=dlr, n_targets=9),
    "fab": partial(fab, steps=10),
    "fab-t": partial(fab, steps=10, n_targets=9),
    "square": partial(square, steps=80),
    "carlini_wagner": partial(carlini_wagner, steps=30, searches=4, lr=0.1),
    "deepfool": deepfool,
    "fmn": partial(fmn, steps=30),
    "hop_skip_jump": partial(hop_skip_jump, steps=4, draws=30),
    "greedy": partial(greedy, values=3),
    "evolution": partial(evolution, steps=6, pairs=8),
}
UNTARGETED = {"apgd-t", "fab-t"}
"""Attacks that choose their own targets."""
ALL: tuple[Norm, ...] = ("Linf", "L2", "L1", "L0")
SUPPORTED: dict[str, tuple[Norm, ...]] = {
    **dict.fromkeys(ATTACKS, ALL[:3]),
    **dict.fromkeys(("fgsm", "pgd", "pgd-momentum", "fmn", "greedy"), ALL),
    "carlini_wagner": ("L2",),
    "hop_skip_jump": ("Linf", "L2"),
    "evolution": ("Linf", "L2"),
}
"""Norms that each attack supports."""
GRADIENT_FREE = {"square", "hop_skip_jump", "greedy", "evolution"}
"""Attacks without gradients."""
NO_RESTARTS = {"fgsm", "carlini_wagner", "deepfool", "fmn", "hop_skip_jump", "greedy"}
"""Attacks without restarts."""
EPS: dict[Norm, float] = {"Linf": 0.08, "L2": 0.5, "L1": 2.0, "L0": 3.0}

CASES = [(name, norm) for name in ATTACKS for norm in SUPPORTED[name]]
every_case = pytest.mark.parametrize(("name", "norm"), CASES, ids=lambda part: part)
every_attack = pytest.mark.parametrize("name", ATTACKS)


FREE = TabularConstraints()


@dataclass
class Problem:
    model: Model
    x: Tensor
    y: Tensor
    columns: TabularConstraints

    @classmethod
    def of(cls, model: Model, x: Tensor, columns: TabularConstraints = FREE) -> Problem:
        """Label each row by the model's prediction, except row 0."""
        with torch.no_grad():
            logits = model.eval()(x) if isinstance(model, nn.Module) else model(x)
        if isinstance(model, nn.Module):
            model.train()
        y = logits.argmax(1)
        y[0] = (y[0] + 1) % logits.shape[1]
        return cls(model, x, y, columns)


def table() -> Problem:
    x = data(3, 12, 9)
    x[:, 4] = torch.arange(12) % 2
    x[:, 6:] = torch.eye(3)[torch.arange(12) % 3]
    return Problem.of(
        mlp(9, 2), x, TabularConstraints(immutable=(0,), increasing=(1,), integer=(4,), one_hot=((6, 7, 8),))
    )


PROBLEMS = {
    "images, 10 classes": lambda: Problem.of(convnet(3, 10), data(0, 12, 3, 8, 8)),
    "grey images, a function, 4 classes": lambda: Problem.of(mlp(63, 4), data(1, 12, 1, 9, 7)),
    "waveforms, 3 classes": lambda: Problem.of(mlp(50, 3), data(2, 12, 1, 50)),
    "tables, 2 classes": table,
}
every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


def predicted(problem: Problem, adv: Tensor) -> Tensor:
    if isinstance(problem.model, nn.Module):
        problem.model.eval()
    with torch.no_grad():
        return problem.model(adv).argmax(1)


@every_case
@every_problem
def test_result_conformance(name: str, norm: Norm, problem: Callable[[], Problem]) -> None:
    p = problem()
    threat = Threat(norm, EPS[norm], columns=p.columns)
    before, random = p.x.clone(), torch.random.get_rng_state()
    result = ATTACKS[name](p.model, p.x, p.y, threat, seed=1)
    assert torch.equal(p.x, before) and torch.equal(random, torch.random.get_rng_state())
    if isinstance(p.model, nn.Module):
        assert all(module.training for module in p.model.modules())
        assert all(q.requires_grad and q.grad is None for q in p.model.parameters())
    again = ATTACKS[name](p.model, p.x, p.y, threat, seed=1)
    assert torch.equal(result.adv, again.adv)
    assert threat.allows(result.adv, p.x).all()
    assert torch.equal(result.success, predicted(p, result.adv) != p.y)
    assert ((result.loss > 0) == result.success).all()
    assert result.success[0] and result.iterations[0] == 0 and torch.equal(result.adv[0], p.x[0])
    assert result.iterations.dtype == result.queries.dtype == torch.int64
    assert (result.queries >= result.iterations.clamp(max=1) + 1).all() and (result.queries[1:] > 2).any()
    assert (result.gradients == 0).all() == (name in GRADIENT_FREE)
    assert result.adv.dtype == p.x.dtype and not result.adv.requires_grad


@every_attack
def test_logits_of_another_precision_change_nothing(name: str) -> None:
    """Functions around NumPy return float64, networks under autocast bfloat16."""
    p = PROBLEMS["grey images, a function, 4 classes"]()
    norm = SUPPORTED[name][0]
    single = ATTACKS[name](p.model, p.x, p.y, Threat(norm, EPS[norm]))
    double = ATTACKS[name](lambda x: p.model(x).double(), p.x, p.y, Threat(norm, EPS[norm]))
    assert torch.equal(single.adv, double.adv) and torch.equal(single.success, double.success)
    half = ATTACKS[name](lambda x: p.model(x).bfloat16(), p.x, p.y, Threat(norm, EPS[norm]))
    assert half.success.any() and half.adv.dtype == half.loss.dtype == torch.float32


@every_case
def test_eps_zero_never_succeeds(name: str, norm: Norm) -> None:
    p = PROBLEMS["grey images, a function, 4 classes"]()
    result = ATTACKS[name](p.model, p.x, p.y, Threat(norm, 0.0))
    assert torch.equal(result.adv, p.x)
    assert result.success.tolist() == [True] + [False] * 11


@every_case
def test_large_eps_succeeds(name: str, norm: Norm) -> None:
    p = PROBLEMS["grey images, a function, 4 classes"]()
    eps: dict[Norm, float] = {"Linf": 0.6, "L2": 4.0, "L1": 25.0, "L0": 40.0}
    result = ATTACKS[name](p.model, p.x, p.y, Threat(norm, eps[norm]))
    assert result.success_rate > (0.5 if name == "fgsm" and norm == "L1" else 0.8)


@pytest.mark.parametrize(
    ("name", "norm"), [(name, norm) for name, norm in CASES if name not in UNTARGETED and norm in ("Linf", "L2")]
)
def test_targets_are_reached(name: str, norm: Norm) -> None:
    p = PROBLEMS["grey images, a function, 4 classes"]()
    target = (predicted(p, p.x) + 1) % 4
    target[3] = predicted(p, p.x)[3]
    eps = {"Linf": 0.6, "L2": 4.0}[norm]
    result = ATTACKS[name](p.model, p.x, p.y, Threat(norm, eps), target=target)
    assert torch.equal(result.success, predicted(p, result.adv) == target)
    assert result.success[3] and result.iterations[3] == 0
    assert result.success_rate > (0.3 if name == "fgsm" else 0.6)


@every_case
def test_double_precision_is_kept(name: str, norm: Norm) -> None:
    p = PROBLEMS["grey images, a function, 4 classes"]()
    threat = Threat(norm, EPS[norm])
    result = ATTACKS[name](p.model, p.x.double(), p.y, threat)
    assert result.adv.dtype == torch.float64
    assert threat.allows(result.adv, p.x.double()).all()


@every_case
def test_a_radius_and_a_mask_for_each_row(name: str, norm: Norm) -> None:
    p = PROBLEMS["grey images, a function, 4 classes"]()
    mask = torch.ones_like(p.x)
    mask[:6, :, :, 3:] = 0
    threat = Threat(norm, torch.arange(12).clamp(max=1) * EPS[norm], mask=mask)
    result = ATTACKS[name](p.model, p.x, p.y, threat)
    assert threat.allows(result.adv, p.x).all()
    assert torch.equal(result.adv[:6, :, :, 3:], p.x[:6, :, :, 3:])


@pytest.mark.parametrize("name", ["pgd", "apgd", "apgd-dlr", "fab", "square"])
def test_more_restarts_never_succeed_less(name: str) -> None:
    p = PROBLEMS["images, 10 classes"]()
    threat = Threat("Linf", 0.04)
    once = ATTACKS[name](p.model, p.x, p.y, threat, restarts=1)
    thrice = ATTACKS[name](p.model, p.x, p.y, threat, restarts=3)
    assert (thrice.success | ~once.success).all()
    assert not once.success.all()
    assert thrice.queries[~once.success].min() > 2 * 10


@pytest.mark.parametrize("name", ["fgsm", "fab", "fab-t", "square", "deepfool", "fmn", "greedy"])
def test_deterministic_attacks_treat_each_row_alone(name: str) -> None:
    p = PROBLEMS["grey images, a function, 4 classes"]()
    threat = Threat("Linf", 0.2)
    all_of_them = ATTACKS[name](p.model, p.x, p.y, threat)
    subset = ATTACKS[name](p.model, p.x[4:9], p.y[4:9], threat)
    torch.testing.assert_close(all_of_them.adv[4:9], subset.adv, atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("name", ["fgsm", "pgd-momentum", "apgd", "apgd-dlr", "apgd-t", "fab", "fab-t"])
def test_a_linear_model_breaks_just_beyond_its_margin(name: str, norm: Norm) -> None:
    """Two classes, logits w x and -w x: the distance is |w x| / |w|_dual."""
    w = torch.tensor([1.0, -2.0, 0.5, 3.0])
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    scores = x @ w
    dual = {"Linf": w.abs().sum(), "L2": w.norm(), "L1": w.abs().max()}[norm]
    enough = 1.5 if norm == "L1" and name.startswith("apgd") else 1.1  # its steps are never quite of one entry
    for factor in (0.97, enough):
        threat = Threat(norm, factor * scores.abs() / dual, low=-100, high=100)
        result = ATTACKS[name](lambda x: torch.stack([-x @ w, x @ w], 1), x, (scores > 0).long(), threat)
        assert result.success.all() if factor > 1 else not result.success.any()


@pytest.mark.parametrize(
    ("name", "norm"), [(name, norm) for name in ATTACKS for norm in ALL if norm not in SUPPORTED[name]]
)
def test_unsupported_norms_are_refused(name: str, norm: Norm) -> None:
    p = PROBLEMS["waveforms, 3 classes"]()
    with pytest.raises(UsageError, match=rf"support(s .* not|) {norm}: use (pgd|fmn)"):
        ATTACKS[name](p.model, p.x, p.y, Threat(norm, EPS[norm]))


@every_attack
def test_invalid_budgets_are_refused(name: str) -> None:
    p = PROBLEMS["waveforms, 3 classes"]()
    for wrong in ("steps", "restarts"):
        if name != "fgsm" and (wrong == "steps" or name not in NO_RESTARTS):
            with pytest.raises(UsageError, match="must be 1 or more, not 0"):
                ATTACKS[name](p.model, p.x, p.y, Threat("Linf", 0.1), **{wrong: 0})
    if name in UNTARGETED:
        with pytest.raises(UsageError, match="either target"):
            ATTACKS[name](p.model, p.x, p.y, Threat("Linf", 0.1), target=p.y)
