"""Diagnose the training of a GAN from its logged metrics and fresh samples.

Each metric is compared with its real-vs-real baseline, which a run logs at image 0, wherever there is one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sparring.measure.diagnostics.augmentation_leaks import Leak

MIN_MEASUREMENTS = 5
"""Smallest number of measurements after image 0: with fewer, trend and noise cannot be separated."""
COLLAPSED_VARIETY = 0.5
"""Variety below which samples count as too similar.

Healthy runs had 0.8 to 1.4 from an eighth of their length on, collapsed ones 0 to 0.4."""
MISSED_COVERAGE = 0.6
"""Fraction of the baseline coverage below which samples miss the data.

It is no condition where samples are similar and have near-duplicates: one image per class covers most of 64 images."""
FALLEN_COVERAGE = 0.5
"""Fraction of its earlier best below which coverage has fallen; healthy runs fell to 0.6 of an early outlier."""
MAX_NEAR_DUPLICATES = 0.5
"""Fraction of samples with a near-duplicate above which there are few distinct ones; of real images it is 1 %."""
OVERFIT_WIN_RATE = 0.7
"""Fraction of pairs in which D scores a training image above a held-out one; healthy runs had 0.4 to 0.6."""
OVERFIT_RISE = 0.1
"""Rise of that fraction since the first measurement: held-out images may differ from the start (other writers)."""
DOMINANT_WIN_RATE = 0.97
"""Fraction of pairs classified correctly above which the discriminator dominates."""
WEAK_WIN_RATE = 0.6
"""Fraction of pairs classified correctly below which the discriminator is near chance; error 0.05 with 64 samples."""
MIN_LOGIT_GAP = 0.1
"""Difference of the logits of data and samples below which D's loss is that of chance, whatever their order."""
FAR_RATIO = 2.0
"""Multiple of the baseline distance above which samples are far from the data."""
LEARNED_RATIO = 0.6
"""Multiple of the distance at image 0 below which the generator has learned; runs without a gradient had 1.0."""
CLOSE_RATIO = 1.25
"""Multiple of the baseline distance up to which a rise of the distance is not reported."""
SIGMAS = 2.0
"""Standard deviations by which the distance must change to count as changing."""
MIN_IMPROVEMENT, MIN_WORSENING = 0.03, 0.1
"""Relative changes of the distance below which neither more training nor a warning is worthwhile."""
SCORE = "sliced_wasserstein"
"""Metric by which runs are compared.

Coverage is not: blurred samples of the first minutes cover most, and with 64 images its error is 0.06, that of the
distance 0.002."""

WEAKER_AUGMENTATION = {"ada": "--augment diff", "diff": "--augment none"}
"""Augmentation -> a weaker one; diff has no rotations."""
SIZE_SETTINGS = frozenset({"width", "discriminator_width", "hidden", "maxout"})
"""Settings that do not apply to custom networks."""

Severity = Literal["ok", "notice", "problem"]


@dataclass(frozen=True)
class Finding:
    """One statement about a run."""

    kind: str
    """"collapse", "overfit", "leak", "dominant", "starved", "diverged"; or
    "improving", "done", "worse", "healthy", "unclear"."""
    severity: Severity
    """"ok", "notice" (worth knowing), or "problem" (samples suffer from it)."""
    message: str
    """One sentence for users."""
    evidence: str = ""
    """Measurements behind the finding, in words."""
    advice: str = ""
    """Next flag to try, as `--augment ada`; empty if there is nothing to do."""

    def as_line(self) -> str:
        """Return message, evidence and advice as one line."""
        words = "; ".join(part for part in (self.message, self.evidence) if part)
        return f"{words}: {self.advice}" if self.advice else words


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run besides its metrics."""

    run: str = "RUN"
    """Run folder, as written on the command line."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recipe."""
    conditional: bool = False
    custom_nets: bool = False
    near_duplicates: tuple[float, float] | None = None
    """Fraction of fresh samples with a near-duplicate, and the estimated number of distinct samples."""
    leaks: Sequence[Leak] = ()


def diagnose(lines: Sequence[Mapping[str, float]], facts: RunFacts) -> list[Finding]:
    """Return the findings on a run, problems first, then its trend; a healthy run has findings of severity "ok" alone.

    `lines` are the lines of its metrics file, in order.
    """
    diverged_at = next((line["nimg"] for line in lines if not all(map(math.isfinite, line.values()))), None)
    if diverged_at is not None:
        message = "The run has diverged: some metrics are NaN or infinite."
        advice = "a new run with a lower --lr; earlier checkpoints may still be usable"
        return [Finding("diverged", "problem", message, f"first at image {diverged_at:,.0f}", advice)]
    measured = [line for line in lines if SCORE in line]
    baselines = {
        name.removeprefix("baseline_"): value
        for line in measured
        for name, value in line.items()
        if name.startswith("baseline_")
    }
    later = [line for line in measured if line["nimg"] > 0]
    leak = find_leak(facts)
    if len(later) < MIN_MEASUREMENTS:
        message = "There are too few measurements for a diagnosis of the players."
        evidence = f"{len(later)} after image 0, {MIN_MEASUREMENTS} are needed"
        return [*leak, Finding("unclear", "notice", message, evidence, "a new run with more --minutes")]
    trend = find_trend(later, baselines, facts)
    stuck = trend.kind != "improving"
    learned = _recent(_series(later, SCORE)) < LEARNED_RATIO * measured[0][SCORE]
    starved = find_starved(later, baselines, facts) if stuck or not learned else []
    collapse = find_collapse(later, baselines, facts)
    if starved and collapse:  # an untrained generator has no variety either; a trained one has lost it
        starved, collapse = ([], collapse) if learned else (starved, [])
    dominant = (
        find_dominant(later, baselines, facts) if stuck and not collapse else []
    )  # after a collapse D always wins
    problems = [*collapse, *starved, *dominant, *find_overfit(later, facts, stuck), *leak]
    return [*(problems or [_healthy(later, baselines)]), trend]


def find_collapse(
    lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float], facts: RunFacts
) -> list[Finding]:
    """Find few distinct samples by two of three signs: low variety, near-duplicates, and low coverage."""
    variety, coverage = _series(lines, "variety"), _series(lines, "coverage")
    if not variety or not coverage:
        return []
    covered, diversity, real = _recent(coverage), _recent(variety), baselines.get("coverage", 1.0)
    expected = min(baselines.get("variety", 1.0), 1.0)
    similar = diversity < COLLAPSED_VARIETY * expected
    repeated = facts.near_duplicates is not None and facts.near_duplicates[0] > MAX_NEAR_DUPLICATES
    best = max(map(statistics.fmean, zip(coverage, coverage[1:], strict=False)), default=covered)
    fallen = covered < FALLEN_COVERAGE * best and diversity < expected
    missed = covered < MISSED_COVERAGE * real
    if similar + repeated + missed < 2 and not (fallen and missed):
        return []
    evidence = (
        f"samples cover {covered:.0%} of real images (in pixel space; baseline {real:.0%}, best so far {best:.0%})"
    )
    evidence += f"; the distance between samples is {diversity:.2f} times that between real images"
    if repeated and facts.near_duplicates is not None:
        fraction, distinct = facts.near_duplicates
        evidence += f"; {fraction:.0%} have a near-duplicate, so there are about {distinct:,.0f} distinct samples"
    message = (
        "The generator has collapsed: it makes few distinct samples."
        if similar or repeated
        else "The generator is collapsing: the samples cover less and less of the data."
    )
    # with labels each class alone collapses
    no_labels = "--no-labels" if facts.conditional and facts.settings.get("labels") else ""
    advice = _flag(facts, steepness=0.5, gamma=10) or no_labels or _flag(facts, batch_size=2, lr=0.5)
    return [Finding("collapse", "problem", message, evidence, advice)]


def find_overfit(lines: Sequence[Mapping[str, float]], facts: RunFacts, stuck: bool) -> list[Finding]:
    """Find a discriminator that has memorised its training images; needs held-out images."""
    win_rates = _series(lines, "memory")
    if not win_rates or _recent(win_rates) < max(OVERFIT_WIN_RATE, win_rates[0] + OVERFIT_RISE):
        return []
    last = lines[-1]
    evidence = (
        f"it scores a training image above a held-out one in {_recent(win_rates):.0%} of pairs "
        f"({win_rates[0]:.0%} at first)"
    )
    if (gap := last["train_logit"] - last["sample_logit"]) > MIN_LOGIT_GAP:  # r_v of Karras et al. 2020, section 3
        ratio = (last["train_logit"] - last["held_out_logit"]) / gap
        evidence += f"; the logits of held-out images are {ratio:.0%} of the way from training images to samples"
    flag = "--augment diff" if facts.settings.get("augment") == "none" else ""
    flag = flag or _flag(facts, steepness=0.5, gamma=3, discriminator_width=0.5, width=0.5, maxout=0.5, lr=0.5)
    message = "The discriminator has memorised the training images: it scores other real images like samples."
    advice = f"more images, or {flag}" if flag else "more images"
    return [Finding("overfit", "problem" if stuck else "notice", message, evidence, advice)]


def find_leak(facts: RunFacts) -> list[Finding]:
    """Find samples that are rotated, flipped or inverted as real images are not."""
    worst = max((leak for leak in facts.leaks if leak.significant), key=lambda leak: leak.excess, default=None)
    if worst is None:
        return []
    weaker = WEAKER_AUGMENTATION.get(str(facts.settings.get("augment")), "a weaker augmentation")
    advice = "--no-mirror" if worst.transform == "mirrored" and facts.settings.get("mirror") else weaker
    message = f"The augmentation leaks into the samples: some are {worst.transform}, which real images are not."
    evidence = (
        f"{worst.fraction:.0%} of samples resemble {worst.transform} real images, "
        f"{worst.real:.0%} of held-out images do"
    )
    return [Finding("leak", "problem", message, evidence, advice)]


def find_starved(
    lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float], facts: RunFacts
) -> list[Finding]:
    """Find a discriminator near chance although samples are far from the data: it gives no useful gradient."""
    second_half = lines[len(lines) // 2 :]
    gaps = [
        abs(line.get("held_out_logit", line["train_logit"]) - line["sample_logit"])
        for line in second_half
        if "train_logit" in line
    ]
    win_rates = [
        statistics.median(_series(second_half, name)) for name in ("win", "train_win") if _series(second_half, name)
    ]
    if not gaps or not _is_far(lines, baselines):
        return []
    gap = statistics.median(gaps)
    if gap > MIN_LOGIT_GAP and max(win_rates) > WEAK_WIN_RATE:
        return []
    evidence = (
        f"its logits of data and samples differ by {gap:.2g}, and it is correct on {win_rates[0]:.0%} of pairs; "
        f"{_distance_text(lines, baselines)}"
    )
    message = (
        "The discriminator is near chance although samples are far from the data: "
        "the generator gets no useful gradient."
    )
    flag = _flag(facts, discriminator_width=2, maxout=2, width=2, lr_discriminator=3, lr=3)
    return [Finding("starved", "problem", message, evidence, flag)]


def find_dominant(
    lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float], facts: RunFacts
) -> list[Finding]:
    """Find a discriminator that always wins while samples stay far from the data."""
    win_rates = _series(lines, "win") or _series(lines, "train_win")
    if not win_rates or not _is_far(lines, baselines):
        return []
    win_rate = statistics.median(win_rates[len(win_rates) // 2 :])
    if win_rate < DOMINANT_WIN_RATE:
        return []
    evidence = f"it is correct on {win_rate:.0%} of pairs; {_distance_text(lines, baselines)}"
    message = (
        "The discriminator always wins, and the generator no longer improves: its gradient carries no information."
    )
    flag = _flag(facts, steepness=0.5, gamma=3, lr_discriminator=1 / 3, lr=1 / 3)
    return [Finding("dominant", "problem", message, evidence, flag)]


def find_trend(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float], facts: RunFacts) -> Finding:
    """Return whether the distance to the data still falls, is constant, or has risen, beyond its noise."""
    scores = _series(lines, SCORE)
    third = max(len(scores) // 3, 2)
    means = [statistics.fmean(scores[k : k + third]) for k in range(len(scores) - third + 1)]
    now, before, best = means[-1], means[-1 - third], min(means)
    noise = SIGMAS * _noise(scores) * math.sqrt(2 / third)
    evidence = f"distance to the data (sliced Wasserstein) {now:.4f} now, {before:.4f} before, {best:.4f} at best"
    if now - best > max(noise, MIN_WORSENING * best) and now > CLOSE_RATIO * baselines.get(SCORE, 0.0):
        message = "The samples were better before: more training made them worse."
        return Finding("worse", "notice", message, evidence, f"sparring sample {facts.run} --checkpoint best")
    if before - now > max(noise, MIN_IMPROVEMENT * before):
        advice = "a new run with more --minutes goes further"
        return Finding("improving", "ok", "The samples are still improving.", evidence, advice)
    return Finding("done", "ok", "The run has converged: the samples no longer change beyond noise.", evidence)


def _healthy(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> Finding:
    coverage, win_rates = _series(lines, "coverage"), _series(lines, "win") or _series(lines, "train_win")
    evidence = [f"samples cover {_recent(coverage):.0%} of real images (in pixel space)"] if coverage else []
    evidence += [f"baseline {baselines['coverage']:.0%}"] if coverage and "coverage" in baselines else []
    evidence += [f"the discriminator is correct on {_recent(win_rates):.0%} of pairs"] if win_rates else []
    return Finding("healthy", "ok", "No problem was found.", "; ".join(evidence))


def _is_far(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> bool:
    return SCORE in baselines and _recent(_series(lines, SCORE)) >= FAR_RATIO * baselines[SCORE]


def _distance_text(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> str:
    ratio = _recent(_series(lines, SCORE)) / baselines[SCORE]
    return f"the distance to the data is {ratio:.1f} times the real-vs-real baseline"


def _series(lines: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [line[name] for line in lines if name in line]


def _recent(values: Sequence[float]) -> float:
    """Return the median of the last three values, which a single outlier does not change."""
    return statistics.median(values[-3:])


def _noise(values: Sequence[float]) -> float:
    """Estimate the standard deviation of a value around a smooth trend, from second differences."""
    second = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return statistics.median(second) / (0.6745 * math.sqrt(6))  # the median ignores the steep first measurements


def _flag(facts: RunFacts, **factors: float) -> str:
    """Return the first of these settings that the run's recipe has, times its factor, as a command-line flag."""
    for name, factor in factors.items():
        value = facts.settings.get(name)
        if not value or (facts.custom_nets and name in SIZE_SETTINGS):  # 0 means that it is off
            continue
        flag = f"--{name.replace('_', '-')}"
        return f"{flag} {max(round(value * factor), 1) if isinstance(value, int) else float(f'{value * factor:.3g}'):g}"
    return ""
