"""Sections of the report of a run or of samples: findings, samples, scores, tests, training curves, protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from sparring.measure.diagnostics.finding import Finding, Severity
from sparring.measure.scores.evaluation import ComparedScore, Evaluation, Memorisation, Score, TwoSampleResult
from sparring.report.blocks import (
    Animation,
    Block,
    Bullets,
    Card,
    Cell,
    Drawing,
    Facts,
    Gallery,
    ScoreKey,
    Table,
    Text,
    notes,
    protocol_table,
)
from sparring.report.format import markup, number, percent
from sparring.report.page import Section
from sparring.report.svg_plots import fraction_line, interval

SEVERITIES: dict[Severity, str] = {"problem": "Problem", "notice": "Notice", "ok": "OK"}
"""Severity -> its name on the page, in the order of the page."""


def findings_section(findings: Sequence[Finding], title: str = "Diagnosis") -> Section:
    """Show findings as cards, the most severe first."""
    ordered = sorted(findings, key=lambda finding: list(SEVERITIES).index(finding.severity))
    return Section(title, *map(_finding, ordered))


def _finding(finding: Finding) -> Card:
    return Card(finding.severity, finding.message, finding.evidence, finding.advice, SEVERITIES[finding.severity])


def samples_section(samples: Sequence[Block]) -> Section:
    """Show samples, one block a class or one in all."""
    return Section("Samples", Gallery(samples, "samples"))


def animation_section(webp: bytes | None) -> Section:
    """Show how the samples of fixed latents changed over the training."""
    if not webp:
        return Section("Samples over the training")
    what = Text("Samples of the same noise, from the start of the training to its end.", quiet=True)
    return Section("Samples over the training", what, Animation(webp))


def evaluation_sections(evaluation: Evaluation, pairs: Sequence[Block] = ()) -> list[Section]:
    """Show scores, the two-sample test and memorisation; `pairs` are samples with their nearest training examples."""
    return [
        _scores(evaluation),
        _kind_scores(evaluation.kind_scores),
        _two_sample_test(evaluation.two_sample),
        _memorisation(evaluation.memorisation, pairs),
    ]


def protocol_section(evaluation: Evaluation) -> Section:
    """Show the settings of an evaluation."""
    return Section("Protocol", protocol_table(evaluation.protocol))


def curves_section(curves: Sequence[Markup]) -> Section:
    """Show plots of the training's metrics; empty ones are left out."""
    return Section("Training curves", Gallery([Drawing(curve) for curve in curves if curve], "curves"))


def _scores(evaluation: Evaluation) -> Section:
    if not evaluation.scores:
        return Section("Scores", notes(evaluation.warnings))
    has_likelihood = any(score.name.startswith("nll[") for score in evaluation.scores)
    has_none = "A negative log-likelihood (nll) has no such baseline: the lower it is, the better."
    head = ("Score", "Value", "95 % interval", "Real data", Cell("", "drawing"))
    return Section(
        "Scores",
        Text("The baseline is the score of real data against real data: the closer a score is to it, the better."),
        *([Text(has_none)] * has_likelihood),
        Table(head, list(map(_score, evaluation.scores)), "scores", named_rows=True),
        ScoreKey(),
        notes(evaluation.warnings),
    )


def _score(score: Score) -> tuple[str | Cell, ...]:
    name, bracket, features = score.name.partition("[")
    known = not (math.isnan(score.low) or math.isnan(score.high))
    return (
        markup("<b>{}</b>", name) + (markup("<wbr><span>{}</span>", bracket + features) if bracket else ""),
        markup("<b>{}</b>", number(score.value)),
        f"{number(score.low)} to {number(score.high)}" if known else "unknown",
        _baseline(score),
        Cell(interval(score.value, score.low, score.high, score.real_baseline), "drawing"),
    )


def _baseline(score: Score) -> str:
    """Return the real-vs-real baseline; a likelihood has none, that of other scores may be unknown."""
    if score.real_baseline is not None:
        return number(score.real_baseline)
    return "-" if score.name.startswith("nll") else "unknown"


def _kind_scores(scores: Sequence[ComparedScore]) -> Section:
    """Show the scores that only this kind of data has, beside those of baselines and simple generators."""
    title = "Scores of this kind of data"
    if not scores:
        return Section(title)
    names = list(dict.fromkeys(name for score in scores for name in score.beside))
    head = ("Score", "Value", "95 % interval", *names)
    what = "The same scores of one half of the real rows against the other, of copies of training rows, and of simple "
    return Section(
        title,
        Text(f"{what}generators stand beside those of the samples."),
        Table(head, [_kind_score(score, names) for score in scores], "bars", named_rows=True),
        Bullets(list(dict.fromkeys(score.summary for score in scores))),
    )


def _kind_score(score: ComparedScore, names: Sequence[str]) -> tuple[str, ...]:
    ends = "unknown" if math.isnan(score.low) else f"{number(score.low)} to {number(score.high)}"
    beside = (number(score.beside[name]) if name in score.beside else "-" for name in names)
    return score.name, number(score.value), ends, *beside


def _two_sample_test(test: TwoSampleResult | None) -> Section:
    title = "Classifier two-sample test"
    if test is None:
        return Section(title)
    facts = {"Best judge": test.judge, "Detectable with 80 %": percent(test.detectable)}
    facts |= {} if test.duality_gap is None else {"Duality gap of the game": number(test.duality_gap)}
    line = fraction_line(test.accuracy, test.low, test.high, "chance", "always correct")
    return Section(title, Text(test.message), Drawing(line), Facts(facts))


def _memorisation(result: Memorisation | None, pairs: Sequence[Block]) -> Section:
    blocks: list[Block] = []
    if result is not None:
        facts = {
            "Copied fraction": percent(result.copied_fraction),
            "Samples equal to a training row": f"{result.equal:,}",
            "Duplicates among the samples": f"{result.duplicates:,}",
            "p-value": number(result.p_value),
            "Test statistic C_T": number(result.c_t),
        }
        blocks = [Text(result.message), Facts(facts)]
    if pairs:
        what = "The samples that are most like copies, each with its nearest training example and their distance."
        blocks += [Text(what), Gallery(pairs, "pairs")]
    return Section("Memorisation", *blocks)
