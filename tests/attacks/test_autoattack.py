"""AutoAttack against results of its authors' code (autoattack.json says how they were made), and its own contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from problems import convnet, data, mlp
from torch import Tensor

from sparring.attacks import AutoAttackResult, Result, Threat, apgd, autoattack, fab, square
from sparring.attacks.autoattack import ensemble
from sparring.attacks.losses import dlr, margin
from sparring.attacks.norms import Norm
from sparring.engine.errors import UsageError

GOLDEN = json.loads(Path(__file__).with_name("autoattack.json").read_text())
MAX_DIFFERENT = {"apgd-ce": 2, "apgd-t": 1, "fab": 0, "fab-t": 0}
"""Rows of 40 by which results may differ; FAB is deterministic."""


def problem() -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    model, x = mlp(64, 10, seed=5), data(7, 40, 1, 8, 8)
    y = model(x).argmax(1)
    y[:2] = (y[:2] + 1) % 10
    return model, x, y


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("name", MAX_DIFFERENT)
def test_each_attack_agrees_with_the_authors_code(name: str, norm: Norm) -> None:
    attack: Callable[..., Result] = {
        "apgd-ce": partial(apgd, restarts=5 if norm == "L1" else 1),
        "apgd-t": partial(apgd, loss=dlr, n_targets=5 if norm == "L1" else 9),
        "fab": fab,
        "fab-t": partial(fab, n_targets=9),
    }[name]
    model, x, y = problem()
    result = attack(model, x, y, Threat(norm, GOLDEN["eps"][norm]))
    stood = torch.tensor([bit == "1" for bit in GOLDEN["verdicts"][norm][name]])
    assert int((~result.success != stood).sum()) <= MAX_DIFFERENT[name]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_square_breaks_all_rows_of_the_authors_code(norm: Norm) -> None:
    """It breaks more: their squares never reach the last line and column, which matters on 8x8."""
    model, x, y = problem()
    broken = torch.tensor([bit == "0" for bit in GOLDEN["verdicts"][norm]["square"]])
    result = square(model, x[broken], y[broken], Threat(norm, GOLDEN["eps"][norm]), steps=2500)
    assert int((~result.success).sum()) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_autoattack_agrees_with_the_authors_code(norm: Norm) -> None:
    model, x, y = problem()
    threat = Threat(norm, GOLDEN["eps"][norm])
    result = autoattack(model, x, y, threat)
    stood = torch.tensor([bit == "1" for bit in GOLDEN["verdicts"][norm]["standard"]])
    assert int((result.robust != stood).sum()) <= 1
    assert torch.equal(model(result.adv).argmax(1) == y, result.robust)
    assert threat.allows(result.adv, x).all()
    assert [by == "" for by in result.broken_by] == result.robust.tolist()
    assert result.broken_by[:2] == ("clean", "clean") and result.clean_accuracy == 38 / 40
    assert result.robust_accuracy == pytest.approx(float(result.robust.float().mean()))
    assert (margin(model(result.adv), y) >= margin(model(x), y)).all()  # the most promising point, where none broke it


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_few_classes_and_a_radius_for_each_row(classes: int) -> None:
    model, x = mlp(20, classes), data(1, 6, 1, 20)
    y = model(x).argmax(1)
    progress: list[tuple[str, int]] = []
    eps = torch.tensor([0.0, 0.5, 0.5, 0.5, 0.5, 0.5])
    result = autoattack(model, x, y, Threat("Linf", eps), batch_size=2, on_progress=lambda *now: progress.append(now))
    assert result.robust.tolist() == [True, *[False] * 5]
    assert progress[0] == ("apgd-ce", 6) and progress[-1] == ("square", 1)


def test_versions_are_those_of_the_paper() -> None:
    assert list(ensemble("standard", "Linf")) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert list(ensemble("plus", "L2")) == ["apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"]
    assert list(ensemble("rand", "Linf")) == ["apgd-ce", "apgd-dlr"]
    with pytest.raises(UsageError, match="unknown version 'standart': did you mean 'standard'"):
        ensemble("standart", "Linf")
    with pytest.raises(UsageError, match="few pixels"):
        ensemble("standard", "L0")


def test_notes_on_masking_randomness_and_training_mode() -> None:
    def staircase(x: Tensor) -> Tensor:  # a staircase, whose gradient is zero everywhere
        score = (x.mean((1, 2, 3)) * 40).round() / 40 + 0 * x.sum((1, 2, 3))
        return torch.stack([0.5 - score, score - 0.5], 1)

    x = torch.full((4, 1, 8, 8), 0.4)
    masked = autoattack(staircase, x, torch.zeros(4, dtype=torch.int64), Threat("Linf", 0.3))
    assert set(masked.broken_by) <= {"square", "apgd-ce", "apgd-t"}

    def noisy(x: Tensor) -> Tensor:
        return mlp(64, 10)(x) + 0.1 * torch.randn(len(x), 10)

    y = mlp(64, 10)(x).argmax(1)
    tame = autoattack(noisy, x, y, Threat("Linf", 0.5))
    assert any("stochastic" in note for note in tame.notes)
    rand = autoattack(noisy, x, y, Threat("Linf", 0.5), version="rand")
    assert not rand.notes and not rand.robust.any()

    net = convnet(1, 10)
    y = net.eval()(x).argmax(1)
    assert any("training mode" in note for note in autoattack(net.train(), x, y, Threat("Linf", 0.5)).notes)
    assert net.training


def test_nothing_to_attack() -> None:
    model, x, y = problem()
    with pytest.raises(UsageError, match="give a batch"):
        autoattack(model, x[:0], y[:0], Threat("Linf", 0.1))
    result = autoattack(model, x[:2], y[:2], Threat("Linf", 0.1))
    assert result.broken_by == ("clean", "clean") and result.clean_accuracy == 0


def test_square_alone_says_so_once() -> None:
    x, y = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)), torch.zeros(4, dtype=torch.int64)
    part = autoattack(lambda x: 9 * x[:, :2].detach(), x, y, Threat("Linf", 0.1), version="square")
    notes = AutoAttackResult.join([part, part]).notes
    assert [note for note in notes if note.startswith("only Square attacked")] == list(notes[-1:])


def test_join_equals_one_batch() -> None:
    def result(broken_by: tuple[str, ...], *notes: str) -> AutoAttackResult:
        rows = len(broken_by)
        return AutoAttackResult(
            torch.zeros(rows, 2), broken_by, torch.tensor([by == "" for by in broken_by]),
            torch.ones(rows), torch.ones(rows),
            notes, ("apgd-ce", "square"),
        )  # fmt: skip

    text = "broke {} rows that gradient attacks did not"
    late = (
        "square, which uses no gradients, "
        + text
        + ": the gradients may be masked, and the true robust accuracy may be lower"
    )
    joined = AutoAttackResult.join(
        [result(("", "square"), "odd", late.format(1)), result(("square", "square", ""), "odd", late.format(2))]
    )
    assert joined.broken_by == ("", "square", "square", "square", "") and joined.robust.tolist() == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert joined.notes == ("odd", late.format(3)) and len(joined.adv) == 5
