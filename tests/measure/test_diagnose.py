"""GAN diagnostics on synthetic metrics: each problem in its plainest form, and healthy runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sparring.measure.diagnostics.augmentation_leaks import Leak
from sparring.measure.diagnostics.gan_diagnostics import RunFacts, diagnose

R3 = {
    "gamma": 0.3,
    "lr": 1e-3,
    "width": 96,
    "discriminator_width": 64,
    "batch_size": 64,
    "labels": True,
    "mirror": True,
}
BASELINES = {"baseline_sliced_wasserstein": 0.1, "baseline_coverage": 0.9, "baseline_variety": 1.0}
HEALTHY = {"coverage": 0.8, "variety": 1.0, "win": 0.7, "train_win": 0.7, "memory": 0.5,
         "train_logit": 1.0, "held_out_logit": 1.0, "sample_logit": 0.3}  # fmt: skip


def wobble(k: int) -> float:
    return (1, -1, 0.5, -0.5)[k % 4] * 0.001


def run(course: Callable[[float], float], **metrics: float | Callable[[float], float]) -> list[dict[str, float]]:
    """Return the metrics of a run; `course` is the score over its progress, other metrics are HEALTHY by default."""
    lines: list[dict[str, float]] = [{"nimg": 5, "generator": 0.5}]
    for k in range(11):
        values = {n: v(k / 10) if callable(v) else v for n, v in {**HEALTHY, **metrics}.items()}
        lines.append({"nimg": k * 100, "sliced_wasserstein": course(k / 10) + wobble(k), **values})
    lines[1] |= BASELINES
    return lines


def settled(at: float) -> float:
    return 0.12 + 0.6 * 0.01 ** (at * 2)


def problems(lines: list[dict[str, float]], **facts: object) -> dict[str, str]:
    """Return the advice for each problem."""
    result = diagnose(lines, RunFacts(**{"settings": R3, **facts}))  # type: ignore[arg-type]
    assert all(finding.message.endswith(".") for finding in result)
    return {finding.kind: finding.advice for finding in result if finding.severity == "problem"}


def trend_of(course: Callable[[float], float]) -> str:
    return diagnose(run(course), RunFacts(settings=R3))[-1].kind


def test_a_healthy_run() -> None:
    result = diagnose(run(settled), RunFacts(settings=R3))
    assert [finding.severity for finding in result] == ["ok", "ok"]
    assert [finding.kind for finding in result] == ["healthy", "done"]
    assert "80%" in result[0].evidence and "90%" in result[0].evidence


def test_trend_of_the_score() -> None:
    assert trend_of(lambda at: 0.5 - 0.3 * at) == "improving"
    assert trend_of(settled) == "done"
    assert trend_of(lambda at: 0.5 - 0.3 * at if at < 0.5 else 0.35 + 0.3 * (at - 0.5)) == "worse"
    assert trend_of(lambda at: 0.105 + 0.04 * (at - 0.5) ** 2) == "done"  # as near as real images are


def test_a_worse_run_suggests_the_best_checkpoint() -> None:
    result = diagnose(run(lambda at: 0.2 + 0.4 * (at - 0.3) ** 2), RunFacts("runs/x", R3))
    assert result[-1].advice == "sparring sample runs/x --checkpoint best"


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_measurements(count: int) -> None:
    result = diagnose(run(settled)[: 2 + count], RunFacts(settings=R3))
    assert [finding.kind for finding in result] == ["unclear"]
    assert str(count) in result[0].evidence
    assert diagnose([], RunFacts())[0].kind == "unclear"


def test_collapse() -> None:
    lines = run(settled, variety=0.2, coverage=0.1)
    assert problems(lines) == {"collapse": "--gamma 3"}
    assert problems(lines, settings={"labels": True, "lr": 1e-3}, conditional=True) == {"collapse": "--no-labels"}
    assert problems(lines, settings={"lr": 1e-3}) == {"collapse": "--lr 0.0005"}
    assert not problems(run(settled, variety=0.2, coverage=0.8))  # similar, but the data are covered
    assert "collapse" in problems(run(settled, variety=0.2, coverage=0.8), near_duplicates=(0.9, 10.0))
    assert not problems(run(settled, variety=1.0, coverage=0.3))  # noisy, but all different


def test_collapse_by_falling_coverage_or_near_duplicates() -> None:
    assert "collapse" in problems(run(settled, variety=0.8, coverage=lambda at: 0.8 - 0.6 * at))
    assert "collapse" in problems(run(settled, variety=0.8, coverage=0.3), near_duplicates=(0.9, 40.0))
    assert not problems(run(settled, variety=0.8, coverage=0.3), near_duplicates=(0.02, 40_000.0))


def test_few_training_images_are_not_a_collapse() -> None:
    lines = run(settled, variety=0.1, coverage=0.4)
    lines[1] |= {"baseline_variety": 0.0, "baseline_coverage": 0.5}
    assert not problems(lines, near_duplicates=(0.9, 40.0))


def test_overfit() -> None:
    learnt = run(settled, memory=lambda at: 0.5 + 0.4 * at, held_out_logit=lambda at: 1 - 0.6 * at)
    assert problems(learnt) == {"overfit": "more examples, or --gamma 0.9"}
    assert problems(learnt, settings={**R3, "augment": "none"}) == {"overfit": "more examples, or --augment diff"}
    assert problems(learnt, settings={**R3, "augment": "diff", "steepness": 2.0}) == {
        "overfit": "more examples, or --steepness 1"
    }
    assert not problems(run(settled, memory=0.75))  # different from the start, and no more so later
    better = run(lambda at: 0.5 - 0.3 * at, memory=lambda at: 0.5 + 0.4 * at)
    result = {f.kind: f.severity for f in diagnose(better, RunFacts(settings=R3))}
    assert result == {"far": "notice", "overfit": "notice", "improving": "ok"}


def test_leak() -> None:
    leaking = [Leak("mirrored", 0.5, 0.02, 300, 300), Leak("upside down", 0.4, 0.02, 300, 300)]
    assert problems(run(settled), leaks=leaking) == {"leak": "--no-mirror"}
    assert problems(run(settled), leaks=leaking[1:]) == {"leak": "a weaker augmentation"}
    assert problems(run(settled), leaks=leaking, settings={"augment": "ada"}) == {"leak": "--augment diff"}
    assert not problems(run(settled), leaks=[Leak("mirrored", 0.5, 0.45, 300, 300)])


def far(at: float) -> float:
    return 0.6


def test_dominant_and_starved() -> None:
    sure = {"win": 1.0, "train_win": 1.0}
    assert problems(run(far, **sure)) == {"dominant": "--gamma 0.9"}
    assert not problems(run(lambda at: 0.9 - 0.6 * at, **sure))  # it wins, and G learns from it
    assert list(problems(run(settled, **sure))) == ["distinguished"]  # near by a coarse distance alone
    assert problems(run(far, win=0.5, train_win=0.52)) == {"starved": "--discriminator-width 128"}
    assert problems(run(far, held_out_logit=0.31, train_logit=0.31), custom_nets=True) == {"starved": "--lr 0.003"}
    assert not problems(run(settled, win=0.5, train_win=0.52))  # the equilibrium


def test_starved_or_collapsed_depends_on_progress() -> None:
    blind = {"win": 0.5, "train_win": 0.5, "variety": 0.2, "coverage": 0.0}
    assert list(problems(run(far, **blind))) == ["starved"]
    assert list(problems(run(lambda at: 0.9 if at == 0 else 0.3, **blind))) == ["collapse"]


def test_without_held_out_images_and_without_discriminator() -> None:
    lines = [{k: v for k, v in line.items() if k not in ("win", "held_out_logit", "memory")} for line in run(far)]
    assert list(problems(lines)) == ["far"]
    bare = [{k: v for k, v in line.items() if k in ("nimg", "sliced_wasserstein")} for line in run(settled)]
    assert [f.kind for f in diagnose(bare, RunFacts())] == ["healthy", "done"]


def test_advice_names_settings_of_the_recipe() -> None:
    lines = run(far, win=1.0, train_win=1.0)
    assert problems(lines, settings={"gamma": 1.0, "steepness": 2.0, "lr": 1e-3}) == {"dominant": "--steepness 1"}
    assert problems(lines, settings={"gamma": 1.0, "steepness": 0.0, "lr": 1e-3}) == {"dominant": "--gamma 3"}
    assert problems(lines, settings={"lr": 5e-4, "lr_discriminator": 9e-4}) == {"dominant": "--lr-discriminator 0.0003"}
    assert problems(lines, settings={"lr": 3e-4}) == {"dominant": "--lr 0.0001"}
    assert problems(lines, settings={}) == {"dominant": ""}


def test_non_finite_metrics_are_a_divergence() -> None:
    lines = [{"nimg": 100.0 * k, "sliced_wasserstein": 0.5 if k < 4 else float("nan")} for k in range(9)]
    (result,) = diagnose(lines, RunFacts())
    assert (result.kind, result.severity) == ("diverged", "problem")
    assert "image 400" in result.evidence and "--lr" in result.advice
