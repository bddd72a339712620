"""The doctor on metrics made up for it: each illness in its plainest form, and courses that are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sparring.measure.diagnostics.augmentation_leaks import Leak
from sparring.measure.diagnostics.gan_diagnostics import Facts, diagnose

R3 = {
    "gamma": 0.3,
    "lr": 1e-3,
    "width": 96,
    "discriminator_width": 64,
    "batch_size": 64,
    "labels": True,
    "mirror": True,
}
FLOORS = {"baseline_sliced_wasserstein": 0.1, "baseline_coverage": 0.9, "baseline_variety": 1.0}
SOUND = {"coverage": 0.8, "variety": 1.0, "win": 0.7, "train_win": 0.7, "memory": 0.5,
         "train_logit": 1.0, "held_out_logit": 1.0, "sample_logit": 0.3}  # fmt: skip


def wobble(k: int) -> float:
    return (1, -1, 0.5, -0.5)[k % 4] * 0.001


def run(course: Callable[[float], float], **figures: float | Callable[[float], float]) -> list[dict[str, float]]:
    """A run's measures; `course` is the score by the share of the run, the others are SOUND unless told."""
    lines: list[dict[str, float]] = [{"nimg": 5, "generator": 0.5}]
    for k in range(11):
        told = {n: v(k / 10) if callable(v) else v for n, v in {**SOUND, **figures}.items()}
        lines.append({"nimg": k * 100, "sliced_wasserstein": course(k / 10) + wobble(k), **told})
    lines[1] |= FLOORS
    return lines


def settled(at: float) -> float:
    return 0.12 + 0.6 * 0.01 ** (at * 2)


def ills(lines: list[dict[str, float]], **facts: object) -> dict[str, str]:
    """Illness -> advice."""
    found = diagnose(lines, Facts(**{"settings": R3, **facts}))  # type: ignore[arg-type]
    assert all(finding.message.endswith(".") for finding in found)
    return {finding.kind: finding.advice for finding in found if finding.severity == "problem"}


def course_of(course: Callable[[float], float]) -> str:
    return diagnose(run(course), Facts(settings=R3))[-1].kind


def test_a_sound_run_is_well() -> None:
    found = diagnose(run(settled), Facts(settings=R3))
    assert [finding.severity for finding in found] == ["ok", "ok"]
    assert [finding.kind for finding in found] == ["healthy", "done"]
    assert "80%" in found[0].evidence and "90%" in found[0].evidence


def test_the_course_of_the_score() -> None:
    assert course_of(lambda at: 0.5 - 0.3 * at) == "improving"
    assert course_of(settled) == "done"
    assert course_of(lambda at: 0.5 - 0.3 * at if at < 0.5 else 0.35 + 0.3 * (at - 0.5)) == "worse"
    assert course_of(lambda at: 0.105 + 0.04 * (at - 0.5) ** 2) == "done"  # as near as real images are


def test_getting_worse_names_the_best_checkpoint() -> None:
    found = diagnose(run(lambda at: 0.2 + 0.4 * (at - 0.3) ** 2), Facts("runs/x", R3))
    assert found[-1].advice == "sparring sample runs/x --checkpoint best"


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_measures_are_said_to_be(count: int) -> None:
    found = diagnose(run(settled)[: 2 + count], Facts(settings=R3))
    assert [finding.kind for finding in found] == ["unclear"]
    assert str(count) in found[0].evidence
    assert diagnose([], Facts())[0].kind == "unclear"


def test_collapse() -> None:
    lines = run(settled, variety=0.2, coverage=0.1)
    assert ills(lines) == {"collapse": "--gamma 3"}
    assert ills(lines, settings={"labels": True, "lr": 1e-3}, conditional=True) == {"collapse": "--no-labels"}
    assert ills(lines, settings={"lr": 1e-3}) == {"collapse": "--lr 0.0005"}
    assert not ills(run(settled, variety=0.2, coverage=0.8))  # alike, and yet the data are reached
    assert "collapse" in ills(run(settled, variety=0.2, coverage=0.8), twins=(0.9, 10.0))
    assert not ills(run(settled, variety=1.0, coverage=0.3))  # noisy, and yet no two are alike


def test_a_collapse_under_way_and_one_of_many_twins() -> None:
    assert "collapse" in ills(run(settled, variety=0.8, coverage=lambda at: 0.8 - 0.6 * at))
    assert "collapse" in ills(run(settled, variety=0.8, coverage=0.3), twins=(0.9, 40.0))
    assert not ills(run(settled, variety=0.8, coverage=0.3), twins=(0.02, 40_000.0))


def test_few_training_images_are_no_collapse() -> None:
    lines = run(settled, variety=0.1, coverage=0.4)
    lines[1] |= {"baseline_variety": 0.0, "baseline_coverage": 0.5}
    assert not ills(lines, twins=(0.9, 40.0))


def test_overfit() -> None:
    learnt = run(settled, memory=lambda at: 0.5 + 0.4 * at, held_out_logit=lambda at: 1 - 0.6 * at)
    assert ills(learnt) == {"overfit": "more images, or --gamma 0.9"}
    assert ills(learnt, settings={**R3, "augment": "none"}) == {"overfit": "more images, or --augment diff"}
    assert ills(learnt, settings={**R3, "augment": "diff", "steepness": 2.0}) == {
        "overfit": "more images, or --steepness 1"
    }
    assert not ills(run(settled, memory=0.75))  # other from the start, and no more so later
    better = run(lambda at: 0.5 - 0.3 * at, memory=lambda at: 0.5 + 0.4 * at)
    found = {f.kind: f.severity for f in diagnose(better, Facts(settings=R3))}
    assert found == {"overfit": "notice", "improving": "ok"}


def test_leak() -> None:
    leaking = [Leak("mirrored", 0.5, 0.02, 300, 300), Leak("upside down", 0.4, 0.02, 300, 300)]
    assert ills(run(settled), leaks=leaking) == {"leak": "--no-mirror"}
    assert ills(run(settled), leaks=leaking[1:]) == {"leak": "a weaker augmentation"}
    assert ills(run(settled), leaks=leaking, settings={"augment": "ada"}) == {"leak": "--augment diff"}
    assert not ills(run(settled), leaks=[Leak("mirrored", 0.5, 0.45, 300, 300)])


def far(at: float) -> float:
    return 0.6


def test_a_dominant_and_a_starved_player() -> None:
    sure = {"win": 1.0, "train_win": 1.0}
    assert ills(run(far, **sure)) == {"dominant": "--gamma 0.9"}
    assert not ills(run(lambda at: 0.9 - 0.6 * at, **sure))  # it wins, and G learns from it
    assert not ills(run(settled, **sure))  # it wins against samples that are as good as real
    assert ills(run(far, win=0.5, train_win=0.52)) == {"starved": "--discriminator-width 128"}
    assert ills(run(far, held_out_logit=0.31, train_logit=0.31), own_nets=True) == {"starved": "--lr 0.003"}
    assert not ills(run(settled, win=0.5, train_win=0.52))  # the equilibrium


def test_starved_or_collapsed_is_told_by_what_was_learned() -> None:
    blind = {"win": 0.5, "train_win": 0.5, "variety": 0.2, "coverage": 0.0}
    assert list(ills(run(far, **blind))) == ["starved"]
    assert list(ills(run(lambda at: 0.9 if at == 0 else 0.3, **blind))) == ["collapse"]


def test_without_held_out_images_and_without_a_judge() -> None:
    lines = [{k: v for k, v in line.items() if k not in ("win", "held_out_logit", "memory")} for line in run(far)]
    assert not ills(lines)
    bare = [{k: v for k, v in line.items() if k in ("nimg", "sliced_wasserstein")} for line in run(settled)]
    assert [f.kind for f in diagnose(bare, Facts())] == ["healthy", "done"]


def test_advice_names_knobs_that_the_recipe_has() -> None:
    lines = run(far, win=1.0, train_win=1.0)
    assert ills(lines, settings={"gamma": 1.0, "steepness": 2.0, "lr": 1e-3}) == {"dominant": "--steepness 1"}
    assert ills(lines, settings={"gamma": 1.0, "steepness": 0.0, "lr": 1e-3}) == {"dominant": "--gamma 3"}
    assert ills(lines, settings={"lr": 5e-4, "lr_discriminator": 9e-4}) == {"dominant": "--lr-discriminator 0.0003"}
    assert ills(lines, settings={"lr": 3e-4}) == {"dominant": "--lr 0.0001"}
    assert ills(lines, settings={}) == {"dominant": ""}


def test_figures_that_are_no_numbers_are_a_divergence() -> None:
    lines = [{"nimg": 100.0 * k, "sliced_wasserstein": 0.5 if k < 4 else float("nan")} for k in range(9)]
    (found,) = diagnose(lines, Facts())
    assert (found.kind, found.severity) == ("diverged", "problem")
    assert "image 400" in found.evidence and "--lr" in found.advice
