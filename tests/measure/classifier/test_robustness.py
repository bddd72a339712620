"""Robust accuracy, on a model for which it is known; and its page."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from sparring.attacks.threat_model import Threat
from sparring.measure.classifier.calibration import ClassificationReport
from sparring.measure.classifier.robustness import ATTACK, LEVELS, HardeningReport, robustness
from sparring.report.hardening_section import robust_sections
from sparring.stats.intervals import wilson_interval
from sparring.stats.proportion import CurvePoint, Proportion

W = torch.tensor([1.0, -2.0, 0.5, 0.0])


def model(x: Tensor) -> Tensor:
    s = x.flatten(1) @ W
    return torch.stack([-s, s], 1)


def ball(eps: float) -> Threat:
    return Threat("Linf", eps, low=-1.0, high=1.0)


def rows(count: int = 300) -> tuple[Tensor, Tensor]:
    x = torch.rand(count, 1, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = (x.flatten(1) @ W > 0).long()
    y[:30] = 1 - y[:30]  # these are wrong from the start
    return x, y


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_on_a_linear_model_it_counts_the_rows_whose_distance_is_larger(norm: str) -> None:
    x, y = rows()
    eps, wide = 0.3, 100.0
    stand = robustness(model, x, y, lambda eps: Threat(norm, eps, low=-wide, high=wide), eps)  # type: ignore[arg-type]
    s = (x.flatten(1) @ W) * (2 * y - 1)
    away = s / (W.abs().sum() if norm == "Linf" else W.norm())  # of the boundary, in the norm
    assert [level.eps for level in stand.levels] == pytest.approx([0.0, *(k * eps for k in LEVELS)])
    for level in stand.levels:
        exact = int((away > level.eps).sum())
        assert level.accuracy.total == 300 and abs(level.accuracy.hits - exact) <= 6  # PGD comes close
        assert (level.accuracy.low, level.accuracy.high) == wilson_interval(level.accuracy.hits, 300)
    assert stand.levels[0].accuracy.hits == 270
    counts = [level.accuracy.hits for level in stand.levels]
    assert counts == sorted(counts, reverse=True)


def test_what_is_fooled_was_right_and_is_so_no_more() -> None:
    x, y = rows()
    stand = robustness(model, x, y, ball, 0.3)
    threat = ball(0.3)
    assert stand.robust.eps == 0.3
    assert len(stand.fooled) == 270 - stand.robust.accuracy.hits == len(stand.fooled.unique())
    assert threat.allows(stand.adv, x[stand.fooled]).all()
    assert (model(x[stand.fooled]).argmax(1) == y[stand.fooled]).all()
    assert (model(stand.adv).argmax(1) != y[stand.fooled]).all()


def test_no_radius_is_beyond_the_box_and_none_may_stand() -> None:
    x, y = rows()
    told: list[int] = []
    stand = robustness(model, x, y, ball, 1.8, 2.0, lambda done, of: told.append(done))
    assert max(level.eps for level in stand.levels) == 2.0
    assert stand.levels[-1].accuracy.hits == 0 and stand.levels[-1].accuracy.value == 0.0
    assert told[-1] == 300


def hardened(**given: object) -> HardeningReport:
    curve = [CurvePoint.count(eps, right, 100) for eps, right in ((0.0, 99), (0.3, 88), (0.45, 10))]
    clean = ClassificationReport("run", "fast", 1.0, 100, 0, ("a", "b"), 1.0, "", errors=Proportion.count(1, 100))
    found = HardeningReport("run", "fast", "Linf", 0.3, 1.0, 0, clean, curve[1], curve, ATTACK, "test images")
    return dataclasses.replace(found, **given)  # type: ignore[arg-type]


def test_the_page_tells_curve_figures_and_rollbacks() -> None:
    html = robust_sections(hardened())[0].__html__()
    assert "88.0" in html and "svg" in html and ">eps</text>" in html
    assert "88 at 0.3 eps" not in html  # the words of the curve are its ends
    assert "99.00 at 0 eps, 10.00 at 0.45" in html
    assert "weights were restored" not in html
    html = robust_sections(hardened(rollbacks=[1000, 25_000], notes=["<odd>"]))[0].__html__()
    assert "1,000, 25,000" in html and "&lt;odd&gt;" in html
