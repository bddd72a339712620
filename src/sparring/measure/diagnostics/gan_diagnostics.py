"""What ails a run: pure functions of its metrics, and of figures of fresh samples, to findings in words.

Each figure is held against what real data get in the samples' place (the floors, which a run measures at image 0), not
against an absolute number, wherever there is such a floor.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sparring.measure.diagnostics.augmentation_leaks import Leak

FEWEST = 5
"""Measures after image 0: below, noise and course cannot be told apart."""
SAME = 0.5
"""Collapse: samples are half as far apart as data are, or less. Sound runs stood at 0.8 to 1.4 from an eighth of their
length on, collapsed ones at 0 to 0.4."""
MISSED = 0.6
"""Share of the data that real images reach of which samples reach less. Not needed where they are alike and have twins:
one image a class covers most of 64 images, whose neighbours are far."""
FALLEN = 0.5
"""Share of its earlier best below which coverage has fallen; sound runs went down to 0.6 of an early, lucky one."""
TWINS = 0.5
"""Share of samples with a twin that shows few distinct ones; by the definition of a twin 1 % of the data have one."""
OVERFIT = 0.7
"""Pairs in which D gives a training image a higher logit than a held-out one. 0.5: it knows no difference; sound runs
stood at 0.4 to 0.6."""
RISEN = 0.1
"""By which that has risen since the first measures: held-out images may be others from the start (other writers, say)."""
DOMINANT = 0.97
"""Pairs that a judge gets right to whom the generator is no opponent."""
STARVED = 0.6
"""Pairs that a judge gets right who might as well guess; 0.5 is guessing, and 64 samples are unsure by 0.05."""
SLACK = 0.1
"""Logits of data and samples that are less apart say nothing, in whatever order they are: D's loss is that of a guess."""
FAR = 2.0
"""Times the floor at which the score says that samples are not like data."""
LEARNED = 0.6
"""Times the score at image 0 below which the generator has learned something; starved ones stood at 1.0."""
CLOSE = 1.25
"""Times the floor up to which the score is as good as that of real images, and no rise of it worth a word."""
SIGMAS = 2.0
"""Of its own noise by which the score must move before it counts as moving."""
BETTER, WORSE = 0.03, 0.1
"""And shares of itself by which it must: less is not worth a run, or a warning."""
SCORE = "sliced_wasserstein"
"""Coverage is no score to choose by: blurred samples of the first minutes cover most, and 64 images leave it unsure by
0.06, where the distance moves by 0.002 from measure to measure."""

WEAKER = {"ada": "--augment diff", "diff": "--augment none"}
"""Augmentation -> the next that changes less; diff turns nothing."""
SIZES = frozenset({"width", "discriminator_width", "hidden", "maxout"})
"""Knobs that networks of one's own do not have."""


Severity = Literal["ok", "notice", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor says of a run."""

    kind: str
    """"collapse", "overfit", "leak", "dominant", "starved"; or what is none: "improving", "done", "healthy"."""
    severity: Severity
    """"ok": as it should be. "notice": worth knowing. "problem": the samples suffer from it."""
    message: str
    """One sentence for people."""
    evidence: str = ""
    """The number behind it, in words."""
    advice: str = ""
    """The next flag to try, `--augment ada`; empty where there is nothing to do."""


@dataclass(frozen=True)
class Facts:
    """What the doctor knows beside the metrics."""

    run: str = "RUN"
    """As to be written on the command line."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The recipe's knobs."""
    conditional: bool = False
    own_nets: bool = False
    twins: tuple[float, float] | None = None
    """Share of fresh samples with a twin, and about how many distinct ones there are."""
    leaks: Sequence[Leak] = ()


def diagnose(lines: Sequence[Mapping[str, float]], facts: Facts) -> list[Finding]:
    """Illnesses first, then the course of the run; a sound run gets findings that are "ok" alone."""
    odd = next((line["nimg"] for line in lines if not all(map(math.isfinite, line.values()))), None)
    if odd is not None:
        message = "Some figures of this run are no finite numbers: it has diverged."
        lower = "a new run with a lower --lr; the checkpoints before may be whole"
        return [Finding("diverged", "problem", message, f"the first at image {odd:,.0f}", lower)]
    measured = [line for line in lines if SCORE in line]
    floors = {k.removeprefix("baseline_"): v for line in measured for k, v in line.items() if k.startswith("baseline_")}
    later = [line for line in measured if line["nimg"] > 0]
    leak = find_leak(facts)
    if len(later) < FEWEST:
        few = Finding(
            "unclear",
            "notice",
            "There are too few measurements to tell how the players stand.",
            f"{len(later)} after image 0, {FEWEST} are needed",
            "a new run with more --minutes",
        )
        return [*leak, few]
    course = find_course(later, floors, facts)
    stuck = course.kind != "improving"
    learned = _recent(_series(later, SCORE)) < LEARNED * measured[0][SCORE]
    starved = find_starved(later, floors, facts) if stuck or not learned else []
    collapse = find_collapse(later, floors, facts)
    if starved and collapse:  # who has learned nothing has no variety either; who had learned has lost it
        starved, collapse = ([], collapse) if learned else (starved, [])
    dominant = find_dominant(later, floors, facts) if stuck and not collapse else []  # who collapsed loses every time
    ills = [*collapse, *starved, *dominant, *find_overfit(later, facts, stuck), *leak]
    return [*(ills or [_healthy(later, floors)]), course]


def find_collapse(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float], facts: Facts) -> list[Finding]:
    """Few distinct samples, by two of three witnesses: near each other, with twins, and much of the data not reached."""
    variety, coverage = _series(lines, "variety"), _series(lines, "coverage")
    if not variety or not coverage:
        return []
    now, apart, real = _recent(coverage), _recent(variety), floors.get("coverage", 1.0)
    usual = min(floors.get("variety", 1.0), 1.0)
    alike = apart < SAME * usual
    few = facts.twins is not None and facts.twins[0] > TWINS
    best = max(map(statistics.fmean, zip(coverage, coverage[1:], strict=False)), default=now)
    fallen = now < FALLEN * best and apart < usual
    missed = now < MISSED * real
    if alike + few + missed < 2 and not (fallen and missed):
        return []
    evidence = f"samples cover {now:.0%} of real images (by their pixels), other real ones {real:.0%}; at best they covered {best:.0%}"
    evidence += f"; samples are {apart:.2f} times as far apart as data"
    if few and facts.twins is not None:
        evidence += f"; {facts.twins[0]:.0%} have a twin: about {facts.twins[1]:,.0f} distinct samples"
    message = (
        "The generator makes the same few things again and again: it has collapsed."
        if alike or few
        else "The samples cover less and less of the data: the generator is collapsing."
    )
    by_labels = (
        "--no-labels" if facts.conditional and facts.settings.get("labels") else ""
    )  # each class alone collapses
    advice = _flag(facts, steepness=0.5, gamma=10) or by_labels or _flag(facts, batch_size=2, lr=0.5)
    return [Finding("collapse", "problem", message, evidence, advice)]


def find_overfit(lines: Sequence[Mapping[str, float]], facts: Facts, stuck: bool) -> list[Finding]:
    """D knows its training images by heart, and takes other real images for generated; only where some are held out."""
    memory = _series(lines, "memory")
    if not memory or _recent(memory) < max(OVERFIT, memory[0] + RISEN):
        return []
    last = lines[-1]
    evidence = f"it holds a training image for more real than a held-out one in {_recent(memory):.0%} of pairs, {memory[0]:.0%} at first"
    if (gap := last["train_logit"] - last["sample_logit"]) > SLACK:  # r_v of Karras et al. 2020, section 3
        ratio = (last["train_logit"] - last["held_out_logit"]) / gap
        evidence += f"; held-out images lie {ratio:.0%} of the way from training images to samples"
    flag = "--augment diff" if facts.settings.get("augment") == "none" else ""
    flag = flag or _flag(facts, steepness=0.5, gamma=3, discriminator_width=0.5, width=0.5, maxout=0.5, lr=0.5)
    return [
        Finding(
            "overfit",
            "problem" if stuck else "notice",
            "The discriminator knows the training images by heart, and takes other real images for generated ones.",
            evidence,
            f"more images, or {flag}" if flag else "more images",
        )
    ]


def find_leak(facts: Facts) -> list[Finding]:
    """Samples that are turned or inverted as real images are not."""
    worst = max((leak for leak in facts.leaks if leak.certain), key=lambda leak: leak.excess, default=None)
    if worst is None:
        return []
    weaker = WEAKER.get(str(facts.settings.get("augment")), "a weaker augmentation")
    cause = "--no-mirror" if worst.how == "mirrored" and facts.settings.get("mirror") else weaker
    return [
        Finding(
            "leak",
            "problem",
            f"Some samples are {worst.how}, as the data are not: the augmentation leaks into them.",
            f"{worst.share:.0%} of samples look more like {worst.how} real images, {worst.real:.0%} of held-out images do",
            cause,
        )
    ]


def find_starved(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float], facts: Facts) -> list[Finding]:
    """A judge that cannot tell what anyone could: the samples are far from the data, and it guesses."""
    half = lines[len(lines) // 2 :]
    gaps = [
        abs(line.get("held_out_logit", line["train_logit"]) - line["sample_logit"])
        for line in half
        if "train_logit" in line
    ]
    usual = [statistics.median(_series(half, name)) for name in ("win", "train_win") if _series(half, name)]
    if not gaps or not _far(lines, floors):
        return []
    gap = statistics.median(gaps)
    if gap > SLACK and max(usual) > STARVED:
        return []
    evidence = f"its logits of data and samples are {gap:.2g} apart, and right on {usual[0]:.0%} of pairs; {_distance(lines, floors)}"
    message = (
        "The discriminator guesses although samples are far from the data: the generator has no one to learn from."
    )
    flag = _flag(facts, discriminator_width=2, maxout=2, width=2, lr_discriminator=3, lr=3)
    return [Finding("starved", "problem", message, evidence, flag)]


def find_dominant(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float], facts: Facts) -> list[Finding]:
    """A judge that always wins against a generator that stays far from the data."""
    wins = _series(lines, "win") or _series(lines, "train_win")
    if not wins or not _far(lines, floors):
        return []
    usual = statistics.median(wins[len(wins) // 2 :])
    if usual < DOMINANT:
        return []
    evidence = f"it is right on {usual:.0%} of pairs; {_distance(lines, floors)}"
    message = (
        "The discriminator always wins, and the generator no longer gets better: of a sure loss it learns nothing."
    )
    flag = _flag(facts, steepness=0.5, gamma=3, lr_discriminator=1 / 3, lr=1 / 3)
    return [Finding("dominant", "problem", message, evidence, flag)]


def find_course(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float], facts: Facts) -> Finding:
    """Whether the score still comes down, stands, or has gone up again, beyond its own noise."""
    scores = _series(lines, SCORE)
    third = max(len(scores) // 3, 2)
    means = [statistics.fmean(scores[k : k + third]) for k in range(len(scores) - third + 1)]
    now, before, best = means[-1], means[-1 - third], min(means)
    sure = SIGMAS * _noise(scores) * math.sqrt(2 / third)
    evidence = f"distance to the data (sliced Wasserstein) {now:.4f} of late, {before:.4f} before, {best:.4f} at best"
    if now - best > max(sure, WORSE * best) and now > CLOSE * floors.get(SCORE, 0.0):
        return Finding(
            "worse",
            "notice",
            "The samples were better before: training longer made them worse.",
            evidence,
            f"sparring sample {facts.run} --checkpoint best",
        )
    if before - now > max(sure, BETTER * before):
        return Finding(
            "improving", "ok", "The samples still get better.", evidence, "a new run with more --minutes goes further"
        )
    return Finding("done", "ok", "The samples no longer change beyond noise: the run is done.", evidence)


def _healthy(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float]) -> Finding:
    coverage, wins = _series(lines, "coverage"), _series(lines, "win") or _series(lines, "train_win")
    figures = [f"samples cover {_recent(coverage):.0%} of real images (by their pixels)"] if coverage else []
    figures += [f"other real ones {floors['coverage']:.0%}"] if coverage and "coverage" in floors else []
    figures += [f"the discriminator is right on {_recent(wins):.0%} of pairs"] if wins else []
    return Finding("healthy", "ok", "No illness was found.", "; ".join(figures))


def _far(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float]) -> bool:
    return SCORE in floors and _recent(_series(lines, SCORE)) >= FAR * floors[SCORE]


def _distance(lines: Sequence[Mapping[str, float]], floors: Mapping[str, float]) -> str:
    return f"the distance to the data is {_recent(_series(lines, SCORE)) / floors[SCORE]:.1f} times the floor"


def _series(lines: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [line[name] for line in lines if name in line]


def _recent(values: Sequence[float]) -> float:
    """The median of the last three: one odd measure is no finding."""
    return statistics.median(values[-3:])


def _noise(values: Sequence[float]) -> float:
    """The standard deviation of one measure about a smooth course, from second differences."""
    bends = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return statistics.median(bends) / (0.6745 * math.sqrt(6))  # the median: the steep first measures are no noise


def _flag(facts: Facts, **wanted: float) -> str:
    """The first of these knobs that the run's recipe has, times its factor, as it is written on the command line."""
    for name, factor in wanted.items():
        value = facts.settings.get(name)
        if not value or (facts.own_nets and name in SIZES):  # what is 0 was turned off
            continue
        flag = f"--{name.replace('_', '-')}"
        return f"{flag} {max(round(value * factor), 1) if isinstance(value, int) else float(f'{value * factor:.3g}'):g}"
    return ""
