"""Scores that only one kind of data has, beside the same scores of real rows, of copies, and of simple generators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparring.engine.data_spec import AudioSpec, DataSpec, PairSpec, SeriesSpec, TableSpec
from sparring.measure.rivals.rivals import LabelledRows, rivals_for
from sparring.measure.scores.evaluation import ComparedScore
from sparring.stats.intervals import Interval

REAL, COPIES = "real halves", "copies"
"""Names of the two baselines: one half of the real rows against the other, and training rows as samples."""
MIN_ROWS = 12
"""Smallest number of rows that are scored."""


@dataclass(frozen=True)
class Comparison:
    """What a measure compares."""

    spec: Any
    """`DataSpec` of all rows."""
    samples: LabelledRows
    real: LabelledRows
    """Real rows that the generator was not trained on, where the data have a test split."""
    training: LabelledRows
    """Rows that the generator was trained on."""
    seed: int = 0


@dataclass(frozen=True)
class KindMeasure:
    """One computation that yields one or more scores of a kind of data."""

    summary: str
    """What the scores say, and which values are good, in a sentence."""
    compute: Callable[[Comparison], Mapping[str, Interval]]
    """Name -> score with its interval, NaN where it is not known. Scores of too few rows are left out."""


@singledispatch
def kind_measures(spec: DataSpec) -> tuple[KindMeasure, ...]:
    """Return the measures that belong to this kind of data; images have none beside those of features."""
    return ()


@kind_measures.register
def _(spec: AudioSpec) -> tuple[KindMeasure, ...]:
    from sparring.measure.kinds.sound_measures import descriptors, recognised, tstr_accuracy

    words = (
        KindMeasure("Accuracy on samples of a recogniser trained on the training recordings: 1 is best.", recognised),
        KindMeasure(
            "Accuracy on real recordings of a recogniser trained on samples alone: 1 is best. Copies reach it.",
            tstr_accuracy,
        ),
    )
    return (
        *(words if len(spec.classes) > 1 else ()),
        KindMeasure(
            "Kolmogorov-Smirnov distance of length, pitch and loudness to those of real recordings: 0 is best. "
            "Unvoiced recordings have the lowest pitch, silent ones the lowest level.",
            descriptors,
        ),
    )


@kind_measures.register
def _(spec: SeriesSpec) -> tuple[KindMeasure, ...]:
    from sparring.measure.kinds.series_measures import boosted, distances, values

    return (
        KindMeasure(
            "Distance of stylised facts to those of real series, mean absolute difference: 0 is best.", distances
        ),
        KindMeasure("Stylised facts of the samples themselves; those of real series stand beside them.", values),
        KindMeasure("Boosted trees against samples and real series: 0.5 is best.", boosted),
    )


@kind_measures.register
def _(spec: TableSpec) -> tuple[KindMeasure, ...]:
    if spec.is_wide:
        from sparring.measure.kinds.gene_scores import membership, structure, usefulness_of_genes

        return (
            KindMeasure(
                "Agreement of correlations between columns (gamma), and of ranks of t-statistics: 1.", structure
            ),
            KindMeasure("A ridge classifier that learns from samples (tstr) or real rows (trtr).", usefulness_of_genes),
            KindMeasure("An attack on membership by distance: 0.5 is best. No proof of privacy.", membership),
        )
    from sparring.measure.kinds.table_nearest import nearest_records
    from sparring.measure.kinds.table_shapes import shapes
    from sparring.measure.kinds.table_usefulness import detection, usefulness
    from sparring.measure.kinds.table_validity import validity

    return (
        KindMeasure("Distributions of columns and pairs: 1 is best; of the difference of missing rates 0.", shapes),
        KindMeasure("Proportions of rows that are valid, repeated, and equal to a training row.", validity),
        KindMeasure("Judges that learn from samples (tstr) or real rows (trtr), on other real rows.", usefulness),
        KindMeasure("Boosted trees against samples and real rows: 0.5 is best.", detection),
        KindMeasure("Nearness to training rows and an attack on membership: 0.5 is best. No proof of privacy.",
                    nearest_records),
    )  # fmt: skip


@kind_measures.register
def _(spec: PairSpec) -> tuple[KindMeasure, ...]:
    from sparring.measure.kinds.pair_measures import agreement, measures_of_halves, retrieval

    classes = KindMeasure(
        "How often recognisers of both halves name one class, and each the class of the pair. `shuffled` is chance.",
        agreement,
    )
    nearest = KindMeasure(
        "How often the second half is among the 1 or 10 nearest of 100 to what the first predicts.", retrieval
    )
    return (*((classes,) if len(spec.classes) > 1 else ()), nearest, *measures_of_halves(spec))


def compare(
    comparison: Comparison, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> list[ComparedScore]:
    """Return all scores of the samples that their kind has, each beside the same score of the baselines and rivals."""
    measures = kind_measures(comparison.spec)
    if not measures or min(len(comparison.samples), len(comparison.real)) < MIN_ROWS:
        return []
    beside = _baselines(comparison)
    total, scores = len(measures) * (1 + len(beside)), list[ComparedScore]()
    for k, measure in enumerate(measures):
        results = {}
        for j, (name, other) in enumerate({"": comparison, **beside}.items()):
            on_progress(k * (1 + len(beside)) + j, total)
            results[name] = measure.compute(other)
        for name, score in results.pop("").items():
            values = {of: result[name].value for of, result in results.items() if name in result}
            scores.append(ComparedScore(name, score.value, score.low, score.high, measure.summary, values))
    on_progress(total, total)
    return scores


def _baselines(comparison: Comparison) -> dict[str, Comparison]:
    """Return the comparison with other rows in place of the samples: real ones, copies, and those of each rival."""
    spec, training = comparison.spec, comparison.training
    count = len(comparison.samples)

    def rng(number: int) -> np.random.Generator:
        return np.random.default_rng([comparison.seed, 24, number])

    order = rng(0).permutation(len(comparison.real))
    first, second = (comparison.real.take(half) for half in np.array_split(order, 2))
    beside = {} if len(second) < MIN_ROWS else {REAL: Comparison(spec, first, second, training, comparison.seed)}
    copies = training.take(rng(1).integers(len(training), size=count))
    others = {COPIES: copies}
    others |= {name: rival(spec, training, count, rng(2)) for name, rival in rivals_for(spec).items()}
    return beside | {
        name: Comparison(spec, rows, comparison.real, training, comparison.seed) for name, rows in others.items()
    }


def unlabelled(rows: NDArray[Any]) -> LabelledRows:
    """Return rows `[N, ...]` without labels."""
    return LabelledRows(rows, np.full(len(rows), -1))
