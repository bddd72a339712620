"""From verdicts to figures: what answers a failed check, on whom it is tried, and how chances are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sparring.attacks import AutoAttackResult, Threat, autoattack, fgsm
from sparring.attacks.masking_checks import BLACK_BOX, DETERMINISTIC, FollowUp, MaskingCheck
from sparring.measure.classifier import attack_summary as module
from sparring.measure.classifier.attack_summary import fooled, samples, summarize

THREAT = Threat("Linf", 0.1)


class Mean(nn.Module):
    """Two classes: is the mean above a half?"""

    def forward(self, x: Tensor) -> Tensor:
        far = x.mean(1) - 0.5
        return torch.stack([-far, far], 1)


class Rounded(Mean):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x * 4).round() / 4)


X = torch.linspace(0.05, 0.95, 36)[:, None].repeat(1, 8)
Y = (X[:, 0] > 0.5).long()


def attacked(model: nn.Module, version: str = "standard") -> AutoAttackResult:
    return autoattack(model, X, Y, THREAT, version=version)


def test_the_figures_of_an_honest_model_are_those_of_the_closed_form() -> None:
    found = summarize(Mean(), X, Y, THREAT, attacked(Mean()))
    stands = (X[:, 0] - 0.5).abs() > 0.1
    assert found.clean.value == 1 and found.robust.value == pytest.approx(float(stands.float().mean()))
    assert torch.equal(found.result.robust, stands) and found.draws == 1
    shares = {round(level.eps, 3): level.accuracy.value for level in found.curve}
    assert shares[0.05] == pytest.approx(float(((X[:, 0] - 0.5).abs() > 0.05).float().mean()))
    assert shares[0.1] == found.robust.value


def test_an_answer_is_counted_under_its_name_and_told_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    none = replace(attacked(Mean(), "square"), robust=torch.ones(36, dtype=torch.bool), broken_by=("",) * 36)
    failing = [MaskingCheck(DETERMINISTIC, True, ""), MaskingCheck(BLACK_BOX, False, "why")]
    monkeypatch.setattr(module, "check_masking", lambda *_: failing)
    monkeypatch.setattr(module, "follow_ups", lambda *_: [FollowUp("one step", (BLACK_BOX,), fgsm)])
    found = summarize(Mean(), X, Y, THREAT, none)
    broken = int(((X[:, 0] - 0.5).abs() < 0.1).sum())
    assert (
        found.per_attack["one step"] == broken
        and found.checks[1].follow_up == f"one step then broke {broken} of 36 unbroken rows"
    )
    assert found.curve == []


def test_the_nearest_are_tried_first_and_where_none_breaks_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 6)
    seen: list[Tensor] = []

    def counting(model: nn.Module, x: Tensor, y: Tensor, threat: Threat, *, seed: int) -> object:
        seen.append(x[:, 0])
        return fgsm(model, x, y, threat, seed=seed)

    before = replace(attacked(Mean(), "square"), adv=X, robust=torch.ones(36, dtype=torch.bool), broken_by=("",) * 36)
    after, tried = module._follow_up(
        FollowUp("one step", (), counting),
        Mean(),
        X,
        Y,
        THREAT,
        before,
        seed=0,
        stochastic=False,  # type: ignore[arg-type]
    )
    assert tried == 6 * len(seen) and int(after.robust.sum()) == int(((X[:, 0] - 0.5).abs() > 0.1).sum())
    far = [float((part - 0.5).abs().max()) for part in seen]
    assert far == sorted(far) and len(seen) == 3  # two batches break, of the third none does


def test_masked_gradients_leave_no_curve() -> None:
    found = summarize(Rounded(), X, Y, THREAT, attacked(Rounded()))
    assert found.curve == [] and not all(check.passed for check in found.checks)


def test_chances_are_means_over_draws() -> None:
    class Noisy(Mean):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + 0.3 * torch.randn(len(x), 1))

    found = summarize(Noisy(), X, Y, THREAT, attacked(Noisy(), "rand"))
    assert [by == "" for by in found.result.broken_by] == found.result.robust.tolist()
    normal = torch.distributions.Normal(0, 0.3)
    exact = float(normal.cdf((X[:, 0] - 0.5).abs() - 0.1).mean())
    assert found.draws == 100 and found.robust.value == pytest.approx(exact, abs=0.06)
    assert found.robust.low <= found.robust.value <= found.robust.high and found.curve == []


def test_a_line_for_each_row_and_who_was_fooled() -> None:
    found = attacked(Mean())
    lines = samples([str(k) for k in range(36)], [str(k) for k in Y.tolist()], found)
    assert len(lines) == 36 and [line[2] == "" for line in lines] == found.robust.tolist()
    assert fooled(found, 2) == (~found.robust).nonzero().squeeze(1).tolist()[:2]
