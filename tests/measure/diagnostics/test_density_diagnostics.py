"""The doctor of density models: each finding from metrics that show it, and from runs that are sick on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import sparring
from sparring.measure.diagnostics.density_diagnostics import LIMITS, DensityFacts, diagnose_density, find_limits
from sparring.measure.diagnostics.training_length import TrainingLength
from sparring.nets.boltzmann import BoltzmannMachine
from sparring.nets.pixel_distributions import Bernoulli
from sparring.nets.pixelcnn import PixelCNN

FACTS = DensityFacts("sparring train x --out run", TrainingLength(300_000, 1_000, 100), "nats")


def lines(nll: Sequence[float], **last: Any) -> list[dict[str, float]]:
    """Metrics of a run with these held-out values, after image 0; the last three lines have more."""
    start = {"nimg": 0, "nll": 600.0, "independent_nll": 206.0}
    rest = [{"nimg": 1000 * (k + 1), "nll": value, "train_nll": value - 1} for k, value in enumerate(nll)]
    return [start, *rest[:-3], *({**line, **last} for line in rest[-3:])]


def kinds(metrics: list[dict[str, float]], facts: DensityFacts = FACTS) -> list[str]:
    return [finding.kind for finding in diagnose_density(metrics, facts)]


def test_a_good_run_is_healthy_and_its_trend_is_named() -> None:
    assert kinds(lines([120, 100, 95, 92, 90, 88, 86, 84])) == ["healthy", "improving"]
    assert kinds(lines([120, 90, 85, 85, 85, 85, 85, 85])) == ["healthy", "done"]
    assert kinds(lines([120, 100])) == ["unclear"]


def test_memorised_examples_a_rise_and_nothing_learnt_are_found() -> None:
    assert "overfit" in kinds(lines([120, 100, 95, 92, 91, 91, 91, 91], train_nll=70.0))
    assert "worse" in kinds(lines([120, 100, 90, 88, 90, 94, 99, 105]))
    assert "untrained" in kinds(lines([300, 280, 260, 250, 240, 230, 220, 215]))
    assert kinds([*lines([100, 90]), {"nimg": 3000, "nll": float("nan")}]) == ["diverged"]


def test_a_short_run_is_named_unless_it_is_done() -> None:
    short = DensityFacts("sparring train x --out run", TrainingLength(3_000, 60_000, 100), "nats")
    assert "short" in kinds(lines([120, 100, 95, 92, 90, 88, 86, 84]), short)
    assert "short" not in kinds(lines([120, 90, 85, 85, 85, 85, 85, 85]), short)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("causality_leak", 0.0, 0.1),
        ("stuck_chains", 0.05, 0.85),
        ("energy_autocorrelation", 0.54, 0.97),
        ("dead_units", 0.0, 0.9),
        ("saturated_units", 0.0, 0.9),
        ("finite_proportion", 1.0, 0.7),
        ("condition_number", 4.0, 12.0),
    ],
)
def test_each_limit_separates_good_from_bad(name: str, good: float, bad: float) -> None:
    values = [120, 100, 95, 92, 90, 88, 86, 84]
    assert name not in kinds(lines(values, **{name: good})) and name in kinds(lines(values, **{name: bad}))
    assert name in LIMITS


@pytest.mark.slow
def test_runs_that_are_sick_on_purpose_are_diagnosed(tmp_path: Path) -> None:
    """Chains that a large learning rate freezes; a network that never learns."""
    frozen = sparring.train("digits", sparring.RBM(hidden=100, lr=10.0), images=12_000, out=tmp_path / "rbm")
    found = {finding.kind for finding in sparring.doctor(frozen)}
    assert found & {"stuck_chains", "dead_units", "saturated_units", "untrained", "diverged"}
    still = sparring.train("digits", sparring.MADERecipe(hidden=16, lr=1e-9), images=6_400, out=tmp_path / "made")
    assert "untrained" in {finding.kind for finding in sparring.doctor(still)}
    fine = sparring.train("digits", sparring.MADERecipe(hidden=64), images=30_000, out=tmp_path / "fine")
    assert "healthy" in {finding.kind for finding in sparring.doctor(fine)}


class LeakyPixelCNN(PixelCNN):
    """A PixelCNN that normalises its features over space, and so sees later pixels."""

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = super().features(x, condition)
        return h / h.std((2, 3), keepdim=True)


@pytest.mark.parametrize("kind", [PixelCNN, LeakyPixelCNN])
def test_a_leak_of_causality_is_reported(kind: type[PixelCNN]) -> None:
    torch.manual_seed(0)
    net = kind((1, 8, 8), Bernoulli(1), 8, 2)
    x, generator = torch.randn(4, 1, 8, 8).sign(), torch.Generator().manual_seed(0)
    lines = [{"nimg": 64 * k, "nll": 500.0, **net.diagnostics(x, generator)} for k in range(1, 5)]
    findings = find_limits(lines)
    assert [finding.kind for finding in findings] == (["causality_leak"] if kind is LeakyPixelCNN else [])


def test_boltzmann_machines_that_are_ill() -> None:
    """Units that are off or on for all examples, and pairs of units that hold each other."""
    torch.manual_seed(0)
    net, x = BoltzmannMachine((1, 4, 4), (40,), chains=60), torch.ones(8, 1, 4, 4)

    def kinds() -> list[str]:
        values = net.diagnostics(x, torch.Generator().manual_seed(0))
        return [finding.kind for finding in find_limits([{"nimg": 64 * k, **values} for k in range(1, 5)])]

    assert kinds() == []
    with torch.no_grad():
        net.c1[16:] = -30
    assert kinds() == ["dead_units"]
    with torch.no_grad():
        net.c1[16:] = 30
    assert kinds() == ["saturated_units"]
    with torch.no_grad():
        net.c1.zero_()
        net.visible_offset.fill_(0.5)
        net.offset1.fill_(0.5)
        net.w1[torch.arange(16), torch.arange(16)] = 40
        net.b.normal_()
    assert "energy_autocorrelation" in kinds()
