"""Scores of an evaluation that only this kind of data has, and their table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparring.commands.evaluating.inputs import EvaluationInputs
from sparring.commands.evaluating.row_views import RowView
from sparring.commands.reporting.progress import Progress
from sparring.measure.kinds.kind_measures import Comparison, compare, kind_measures
from sparring.measure.rivals.rivals import LabelledRows
from sparring.measure.scores.evaluation import ComparedScore
from sparring.report.format import number

MAX_ROWS = 20_000
"""Largest number of samples, of real rows and of training rows that are compared."""


def kind_scores(inputs: EvaluationInputs, seed: int, progress: Progress) -> tuple[ComparedScore, ...]:
    """Compute the scores that only this kind of data has, beside those of the baselines."""
    if not kind_measures(inputs.spec):
        return ()
    views = inputs.stored, inputs.stored_reference.real, inputs.stored_reference.training
    samples, real, training = (_rows(view, np.random.default_rng([seed, 23, k])) for k, view in enumerate(views))
    on_progress = progress.callback(f"scores of {inputs.spec.plural}")
    return tuple(compare(Comparison(inputs.spec, samples, real, training, seed), on_progress))


def _rows(view: RowView, rng: np.random.Generator) -> LabelledRows:
    """Return the rows of a view, MAX_ROWS of them drawn at random where there are more."""
    idx = np.arange(len(view)) if len(view) <= MAX_ROWS else np.sort(rng.permutation(len(view))[:MAX_ROWS])
    return LabelledRows(view.fetch(idx), view.labels[idx])


def to_lines(scores: Sequence[ComparedScore]) -> list[str]:
    """Return the lines of the table: a score, its interval, and the same score of the baselines."""
    if not scores:
        return []
    names = list(dict.fromkeys(name for score in scores for name in score.beside))
    width, widths = max(len(score.name) for score in scores), [max(len(name), 9) for name in names]
    head = "  ".join(f"{name:>{size}}" for name, size in zip(names, widths, strict=True))
    lines = ["", f"{'score':{width}}  {'value':>9}  {'95 % interval':>21}  {head}"]
    for score in scores:
        beside = (
            f"{number(score.beside[name]) if name in score.beside else '-':>{size}}"
            for name, size in zip(names, widths, strict=True)
        )
        ends = f"{number(score.low)} to {number(score.high)}" if np.isfinite(score.low) else "-"
        lines.append(f"{score.name:{width}}  {number(score.value):>9}  {ends:>21}  {'  '.join(beside)}")
    return lines
