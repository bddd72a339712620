"""Diagnose the training of a GAN from its logged metrics and fresh samples.

Each metric is compared with its real-vs-real baseline, which a run logs at image 0, wherever there is one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparring.measure.diagnostics.augmentation_leaks import Leak
from sparring.measure.diagnostics.finding import Finding, find_diverged, find_few, find_short, noise, recent, series
from sparring.measure.diagnostics.training_length import GENERATOR, TrainingLength
from sparring.stats.proportion import Proportion

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
NEAR_RATIO = 1.5
"""Multiple of the baseline distance from which samples are not near the data; good runs ended at 1.0 to 1.3."""
MAX_BLANK = 0.5
"""Fraction of samples or images of one colour above which nothing was learnt, or can be."""
LABEL_MARGIN = 0.03
"""Excess over chance of the labels of alike images, at the upper end of its interval, below which labels do not fit."""
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


@dataclass(frozen=True)
class LabelFit:
    """Agreement of the labels of images and of their nearest others, in coarse pixels."""

    accuracy: Proportion
    """Images whose nearest other has the same label."""
    chance: float
    """Agreement of two independent labels of these frequencies."""
    neighbours: int
    """Images among which the nearest was searched."""


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
    command: str = "sparring train SOURCE --out RUN"
    """Command that continues the run."""
    examples: int = 0
    """Number of training images; 0: unknown."""
    planned: int = 0
    """Number of images that the plan of the run draws; 0: unknown."""
    by_minutes: bool = True
    """True where the run was planned in minutes, not in images."""
    blank: tuple[float, float] = (0.0, 0.0)
    """Fractions of fresh samples and of training images whose pixels are all equal."""
    label_fit: LabelFit | None = None
    """How well labels follow from images, in conditional runs."""

    def longer(self, lines: Sequence[Mapping[str, float]]) -> str:
        """Return the command that trains for longer: to the end of the plan, or beyond it."""
        stopped = bool(lines) and lines[-1]["nimg"] < self.planned
        return self.command if stopped else f"{self.command} with more --{'minutes' if self.by_minutes else 'images'}"


def diagnose(lines: Sequence[Mapping[str, float]], facts: RunFacts) -> list[Finding]:
    """Return the findings on a run, problems first, then its trend; a healthy run has findings of severity "ok" alone.

    `lines` are the lines of its metrics file, in order.
    """
    if diverged := find_diverged(lines):
        return diverged
    measured = [line for line in lines if SCORE in line]
    baselines = {
        name.removeprefix("baseline_"): value
        for line in measured
        for name, value in line.items()
        if name.startswith("baseline_")
    }
    later = [line for line in measured if line["nimg"] > 0]
    length = TrainingLength(
        int(lines[-1]["nimg"]) if lines else 0, facts.examples, facts.settings.get("batch_size", 1),
        facts.planned,
    )  # fmt: skip
    short, blank = find_short(length, GENERATOR, facts.command), find_blank(facts)
    leak = [*find_leak(facts), *find_labels(facts), *find_few(length)]
    if len(later) < MIN_MEASUREMENTS:
        message = "There are too few measurements for a diagnosis of the players."
        evidence = f"{len(later)} after image 0, {MIN_MEASUREMENTS} are needed"
        advice = facts.longer(lines)
        return [*blank, *short, *leak, Finding("unclear", "notice", message, evidence, advice)]
    trend = find_trend(later, baselines, facts)
    stuck = trend.kind != "improving"
    learned = recent(series(later, SCORE)) < LEARNED_RATIO * measured[0][SCORE]
    starved = find_starved(later, baselines, facts) if stuck or not learned else []
    barely_trained = bool(short) and not stuck and not learned  # samples of an untrained generator are alike, too
    collapse = [] if barely_trained else find_collapse(later, baselines, facts)
    if starved and collapse:  # an untrained generator has no variety either; a trained one has lost it
        starved, collapse = ([], collapse) if learned else (starved, [])
    dominant = (
        find_dominant(later, baselines, facts) if stuck and not collapse else []
    )  # after a collapse D always wins
    apart = [] if dominant or collapse else find_distinguished(later, stuck)
    far = [] if dominant or collapse or starved else find_far(later, baselines, facts, stuck)
    if not (collapse or starved or dominant or apart or far):  # samples that are like real images were trained enough
        short = []
    problems = [*blank, *short, *collapse, *starved, *dominant, *far, *apart, *find_overfit(later, facts, stuck), *leak]
    if trend.kind == "done" and (short or blank or collapse or starved or dominant or apart or far):
        trend = Finding(
            "stalled", "notice", "The samples no longer change, and are not like real examples.", trend.evidence
        )
    return [*(problems or [_healthy(later, baselines)]), trend]


def find_blank(facts: RunFacts) -> list[Finding]:
    """Find samples of one colour, and training images of one colour, from which nothing can be learnt."""
    samples, real = facts.blank
    if max(samples, real) < MAX_BLANK:
        return []
    evidence = f"{samples:.0%} of samples and {real:.0%} of training examples are of one colour"
    if real >= MAX_BLANK:
        message, advice = "Most training examples are blank: read wrongly, or holding nothing.", "sparring inspect"
    else:
        message, advice = "Most samples are blank: the generator has learnt nothing.", _flag(facts, lr=0.3)
    return [Finding("blank", "problem", message, evidence, advice)]


def find_labels(facts: RunFacts) -> list[Finding]:
    """Find labels that follow from the images no better than by chance."""
    fit = facts.label_fit
    if fit is None or fit.accuracy.high > fit.chance + LABEL_MARGIN:
        return []
    evidence = (
        f"of {fit.neighbours:,} other examples the nearest, in coarse pixels, has the same label for "
        f"{fit.accuracy.text()}, by chance for {fit.chance:.0%}"
    )
    message = "The labels do not fit the examples: alike examples have unlike labels."
    return [Finding("labels", "notice", message, evidence, "check the labels, or --no-labels")]


def find_far(
    lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float], facts: RunFacts, stuck: bool
) -> list[Finding]:
    """Find samples that are not near the data, by the baseline distance of real images."""
    ratio = _ratio(lines, baselines)
    if ratio is None or ratio < NEAR_RATIO:
        return []
    advice = facts.longer(lines)
    message = "The samples are not like real examples yet."
    return [Finding("far", "problem" if stuck else "notice", message, _distance_text(lines, baselines), advice)]


def find_distinguished(lines: Sequence[Mapping[str, float]], stuck: bool) -> list[Finding]:
    """Find a discriminator that is correct on nearly all pairs: the samples differ visibly from real images."""
    win_rates = series(lines, "win") or series(lines, "train_win")
    if not win_rates or recent(win_rates) < DOMINANT_WIN_RATE:
        return []
    message = "The discriminator tells samples and real examples apart: something is still different."
    evidence = (
        f"it is correct on {recent(win_rates):.0%} of pairs; of samples that are like the data it is on 50 to 90 %"
    )
    advice = "look at the samples beside real.png; train for longer"
    return [Finding("distinguished", "problem" if stuck else "notice", message, evidence, advice)]


def find_collapse(
    lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float], facts: RunFacts
) -> list[Finding]:
    """Find few distinct samples by two of three signs: low variety, near-duplicates, and low coverage."""
    variety, coverage = series(lines, "variety"), series(lines, "coverage")
    if not variety or not coverage:
        return []
    covered, diversity, real = recent(coverage), recent(variety), baselines.get("coverage", 1.0)
    expected = min(baselines.get("variety", 1.0), 1.0)
    similar = diversity < COLLAPSED_VARIETY * expected
    repeated = facts.near_duplicates is not None and facts.near_duplicates[0] > MAX_NEAR_DUPLICATES
    best = max(map(statistics.fmean, zip(coverage, coverage[1:], strict=False)), default=covered)
    fallen = covered < FALLEN_COVERAGE * best and diversity < expected
    missed = covered < MISSED_COVERAGE * real
    if similar + repeated + missed < 2 and not (fallen and missed):
        return []
    evidence = (
        f"samples cover {covered:.0%} of real examples (in pixel space; baseline {real:.0%}, best so far {best:.0%})"
    )
    evidence += f"; the distance between samples is {diversity:.2f} times that between real examples"
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
    win_rates = series(lines, "memory")
    if not win_rates or recent(win_rates) < max(OVERFIT_WIN_RATE, win_rates[0] + OVERFIT_RISE):
        return []
    last = lines[-1]
    evidence = (
        f"it scores a training image above a held-out one in {recent(win_rates):.0%} of pairs "
        f"({win_rates[0]:.0%} at first)"
    )
    if (gap := last["train_logit"] - last["sample_logit"]) > MIN_LOGIT_GAP:  # r_v of Karras et al. 2020, section 3
        ratio = (last["train_logit"] - last["held_out_logit"]) / gap
        evidence += f"; the logits of held-out examples are {ratio:.0%} of the way from training examples to samples"
    flag = "--augment diff" if facts.settings.get("augment") == "none" else ""
    flag = flag or _flag(facts, steepness=0.5, gamma=3, discriminator_width=0.5, width=0.5, maxout=0.5, lr=0.5)
    message = "The discriminator has memorised the training examples: it scores other real examples like samples."
    advice = f"more examples, or {flag}" if flag else "more examples"
    return [Finding("overfit", "problem" if stuck else "notice", message, evidence, advice)]


def find_leak(facts: RunFacts) -> list[Finding]:
    """Find samples that are rotated, flipped or inverted as real images are not."""
    worst = max((leak for leak in facts.leaks if leak.significant), key=lambda leak: leak.excess, default=None)
    if worst is None:
        return []
    weaker = WEAKER_AUGMENTATION.get(str(facts.settings.get("augment")), "a weaker augmentation")
    advice = "--no-mirror" if worst.transform == "mirrored" and facts.settings.get("mirror") else weaker
    message = f"The augmentation leaks into the samples: some are {worst.transform}, which real examples are not."
    evidence = (
        f"{worst.fraction:.0%} of samples resemble {worst.transform} real examples, "
        f"{worst.real:.0%} of held-out examples do"
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
        statistics.median(series(second_half, name)) for name in ("win", "train_win") if series(second_half, name)
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
    """Find a discriminator that always wins while samples stay very far from the data."""
    win_rates = series(lines, "win") or series(lines, "train_win")
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
    scores = series(lines, SCORE)
    third = max(len(scores) // 3, 2)
    means = [statistics.fmean(scores[k : k + third]) for k in range(len(scores) - third + 1)]
    now, before, best = means[-1], means[-1 - third], min(means)
    error = SIGMAS * noise(scores) * math.sqrt(2 / third)
    evidence = f"distance to the data (sliced Wasserstein) {now:.4f} now, {before:.4f} before, {best:.4f} at best"
    if now - best > max(error, MIN_WORSENING * best) and now > CLOSE_RATIO * baselines.get(SCORE, 0.0):
        message = "The samples were better before: more training made them worse."
        return Finding("worse", "notice", message, evidence, f"sparring sample {facts.run} --checkpoint best")
    if before - now > max(error, MIN_IMPROVEMENT * before):
        advice = f"{facts.longer(lines)}, which goes further"
        return Finding("improving", "ok", "The samples are still improving.", evidence, advice)
    return Finding("done", "ok", "The run has converged: the samples no longer change beyond noise.", evidence)


def _healthy(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> Finding:
    coverage, win_rates = series(lines, "coverage"), series(lines, "win") or series(lines, "train_win")
    evidence = [f"samples cover {recent(coverage):.0%} of real examples (in pixel space)"] if coverage else []
    evidence += [f"baseline {baselines['coverage']:.0%}"] if coverage and "coverage" in baselines else []
    evidence += [f"the discriminator is correct on {recent(win_rates):.0%} of pairs"] if win_rates else []
    return Finding("healthy", "ok", "No problem was found.", "; ".join(evidence))


def _is_far(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> bool:
    ratio = _ratio(lines, baselines)
    return ratio is not None and ratio >= FAR_RATIO


def _ratio(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> float | None:
    """Return the distance to the data as a multiple of the baseline; None where there is none."""
    if SCORE not in baselines:
        return None
    distance, baseline = recent(series(lines, SCORE)), baselines[SCORE]
    return distance / baseline if baseline else math.inf if distance else 1.0


def _distance_text(lines: Sequence[Mapping[str, float]], baselines: Mapping[str, float]) -> str:
    ratio = _ratio(lines, baselines) or math.nan
    return f"the distance to the data is {ratio:.1f} times the real-vs-real baseline"


def _flag(facts: RunFacts, **factors: float) -> str:
    """Return the first of these settings that the run's recipe has, times its factor, as a command-line flag."""
    for name, factor in factors.items():
        value = facts.settings.get(name)
        if not value or (facts.custom_nets and name in SIZE_SETTINGS):  # 0 means that it is off
            continue
        flag = f"--{name.replace('_', '-')}"
        return f"{flag} {max(round(value * factor), 1) if isinstance(value, int) else float(f'{value * factor:.3g}'):g}"
    return ""
