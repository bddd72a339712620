"""`sparring predict`: class or numbers of each new example, or how likely it is under a density model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.data.dataset import Dataset, Split
from sparring.data.in_memory import IndexedDataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError
from sparring.measure.likelihood.outliers import compressed_bits
from sparring.models.answers import Answers
from sparring.models.capabilities import Density, IntervalPredictor, Model, Predictor
from sparring.models.classifier import chunks_of
from sparring.models.density import ClassDensityModel
from sparring.models.load import load_capable, saved_capabilities
from sparring.models.regressor import number_names
from sparring.models.saved import main_player
from sparring.report.format import csv_text

SUMMARY_CLASSES = 20
"""Classes whose counts are printed."""
UNTYPICAL = 0.01
"""p-value up to which an example is counted as untypical, where there are held-out examples enough for it."""
ROUNDING = 1e-6
"""Rounding of p-values."""
LIKELIHOOD_NOTE = "a likelihood ranks images by how predictable they are, not by meaning: smooth ones are likely"


@dataclass(frozen=True)
class Prediction:
    """One example and its answer."""

    name: str
    """Name of a file, `array[row]`, or a line of a table."""
    label: str
    """A class, or "none of these"."""
    probability: float
    """Calibrated probability of the likeliest class."""
    likeliest: str
    """Class of this probability: the label, or the nearest class where the label is "none of these"."""


@dataclass(frozen=True)
class Predictions:
    """The answers for all examples of a source."""

    predictions: list[Prediction]
    skipped: dict[str, list[str]]
    """Reason -> names of files or lines that could not be read."""
    notes: list[str]
    """Remarks on how the source was read: the scale of its values, say."""


@dataclass(frozen=True)
class RowNumbers:
    """One example and its predicted numbers."""

    name: str
    """Name of a file, `array[row]`, or a line of a table."""
    values: tuple[float, ...]
    """Median of each number."""
    lows: tuple[float, ...]
    """Lower end of the interval of each number."""
    highs: tuple[float, ...]
    """Upper end of the interval of each number."""


@dataclass(frozen=True)
class NumberPredictions:
    """The predicted numbers of all examples of a source."""

    predictions: list[RowNumbers]
    numbers: list[str]
    """Names of the numbers."""
    coverage: float
    """Nominal coverage of the intervals."""
    skipped: dict[str, list[str]]
    """Reason -> names of files or lines that could not be read."""
    notes: list[str]
    """Remarks on how the source was read."""


@dataclass(frozen=True)
class RowDensity:
    """One example and its likelihood under a density model."""

    name: str
    """Name of a file, `array[row]`, or a line of a table."""
    nll: float
    """-log p, in the unit of the model."""
    typicality: float
    """Distance of `nll` to the mean of held-out examples; 0 is typical."""
    p_value: float
    """Proportion of held-out examples that are at least as far from their mean."""
    complexity: float | None = None
    """`nll` beyond the bits of a PNG file of the image, in the same unit: high for outliers; None of other data."""
    ratio: float | None = None
    """log p beyond that of the background model, in the same unit: low for outliers; None without one."""
    label: str | None = None
    """Likeliest class, or "none of these"; None for a model without classes."""
    probability: float | None = None
    """Probability of the likeliest class."""


@dataclass(frozen=True)
class RowDensities:
    """The likelihoods of all examples of a source."""

    predictions: list[RowDensity]
    unit: str
    """Unit of `nll` and `typicality`: bits per dimension, or nats."""
    held_out: float
    """Mean -log p of held-out examples."""
    held_out_count: int
    """Number of these examples: no p-value is below 1 / (1 + this number)."""
    skipped: dict[str, list[str]]
    """Reason -> names of files or lines that could not be read."""
    notes: list[str]
    """Remarks on how the source was read."""


def predict(
    run: str | Path,
    source: str | Path,
    *,
    resize: bool = False,
    split: Split | None = None,
    background: str | Path | None = None,
    net: nn.Module | None = None,
) -> Predictions | RowDensities | NumberPredictions:
    """Return what the model of `run` answers for each example of `source`, in the source's order.

    A classifier answers with classes; a regressor with numbers and their intervals; a density model with -log p,
    compared with held-out examples, with the class where it knows any, and with the ratio to the density model of the
    run `background`. Examples are read as the training data were: the same sampling rate, the same columns. Images of
    another size or mode are refused, unless `resize`, or unless the training images were scaled too. `split` selects
    examples for "train" or "test", as a training on `source` does. `net` is the network of a run with custom networks.
    Raises UsageError where `run` has no such model or `source` does not fit it, SparringError where the files of either
    cannot be used.
    """
    if "Density" in saved_capabilities(run).get(main_player(run) or "", ()):
        other = load_capable(background, Density) if background is not None else None
        return _densities(load_capable(run, Density, net=net), source, resize, split, other)
    if background is not None:
        raise UsageError(f"--background is for density models, and {run} is none: leave it out")
    if "IntervalPredictor" in saved_capabilities(run).get(main_player(run) or "", ()):
        return _numbers(load_capable(run, IntervalPredictor, net=net), source, resize, split)
    model = load_capable(run, Predictor, net=net)
    data = open_like(model, source, resize=resize, split=split)
    names = iter(data.names)
    predictions = [
        Prediction(next(names), answer.label, round(answer.probability, 6), answer.likeliest)
        for answers in answer_all(model, data)
        for answer in answers
    ]
    return Predictions(predictions, data.skipped, data.notes)


def _numbers(model: Any, source: str | Path, resize: bool, split: Split | None) -> NumberPredictions:
    """Return the numbers of all examples by a `Regressor`; of a split, of those that have a number."""
    data = open_like(model, source, resize=resize, split=split)
    names, rows = iter(data.names), list[RowNumbers]()
    for idx in chunks_of(np.arange(len(data))):
        columns = [_rounded(part) for part in model.predict_interval(data[idx])]
        rows += [RowNumbers(next(names), *ends) for ends in zip(*columns, strict=True)]
    return NumberPredictions(rows, number_names(model.spec), model.recipe.coverage, data.skipped, data.notes)


def _rounded(numbers: Tensor) -> list[tuple[float, ...]]:
    """Return numbers `[N, K]` with the digits that float32 holds."""
    return [tuple(float(f"{value:.7g}") for value in row) for row in numbers.tolist()]


def _densities(
    model: Any, source: str | Path, resize: bool, split: Split | None, background: Any = None
) -> RowDensities:  # fmt: skip
    """Return the likelihoods of all examples under a `DensityModel`, and their ratio to a background model."""
    if background is not None and (background.spec.shape, background.unit) != (model.spec.shape, model.unit):
        raise UsageError("the background model is of other data: train it on the same data, with --mutation 0.2")
    data = open_like(model, source, resize=resize, split=split)
    rows = [
        RowDensity(data.names[k], *numbers)
        for idx in chunks_of(np.arange(len(data)))
        for k, numbers in zip(idx, _chunk(model, background, data[idx], int(idx[0])), strict=True)
    ]
    is_simple_likely = any(row.complexity is not None for row in rows)
    notes = [*data.notes, *([LIKELIHOOD_NOTE] if is_simple_likely else [])]
    typical = -model.typical / model.unit.nats
    return RowDensities(rows, model.unit.name, typical, len(model.held_out), data.skipped, notes)


def _chunk(model: Any, background: Any, rows: NDArray[Any], first: int) -> Iterator[tuple[Any, ...]]:
    """Yield the fields of `RowDensity` after its name for stored rows, the first of which has this number."""
    x, unit = model.spec.encode(rows), model.unit.nats
    log_p = model.log_density(x, first)
    columns: list[Sequence[float] | Sequence[None]] = [
        (-log_p / unit).tolist(), model.typicality(log_p).tolist(), model.p_values(log_p).tolist(),
    ]  # fmt: skip
    missing = [None] * len(rows)
    bits = compressed_bits(model.spec, rows)
    columns.append(((-log_p - bits * log(2)) / unit).tolist() if bits is not None else missing)
    other = background.log_density(x, first) if background is not None else None
    columns.append(((log_p - other) / unit).tolist() if other is not None else missing)
    answers = model.answers(x, first) if isinstance(model, ClassDensityModel) else missing
    for *numbers, answer in zip(*columns, answers, strict=True):
        label = (answer.label, round(answer.probability, 6)) if answer else (None, None)
        yield *(None if number is None else round(number, 6) for number in numbers), *label


def open_like(
    model: Model,
    source: str | Path,
    *,
    resize: bool = False,
    split: Split | None = None,
    protect: str | None = None,
    protect_from: str | None = None,
) -> Dataset:
    """Open all examples of `source`, or a split, as the training data of `model` were read.

    Of equal examples all count, but one in a split. `protect` and `protect_from` name their groups (`ReadOptions`).
    Raises UsageError as `predict` does.
    """
    every = split is None
    numeric = not every and bool(model.spec.condition_stats)  # a split is one of the examples that have a number
    label = getattr(model.spec, "target", None) if numeric else None
    options = ReadOptions(
        resize=resize, numeric_label=numeric, label=label or None, protect=protect, protect_from=protect_from
    )
    data = open_source(source, options, like=model.spec, keep_duplicates=every)
    if split is not None and not data.report.splits.get(split):
        raise UsageError(f"{source} has no {split} split: leave --split out")
    return data.split(split)


def answer_all(model: Predictor, data: IndexedDataset) -> Iterator[Answers]:
    """Yield the answers for all examples, a chunk at a time."""
    for idx in chunks_of(np.arange(len(data))):
        yield model.predict(model.spec.encode(data[idx]))


def as_csv(result: Predictions | RowDensities | NumberPredictions) -> str:
    """Return lines of name,label,probability,likeliest; of a regressor name,value,low,high; of a density model more."""
    if isinstance(result, NumberPredictions):
        places = [""] if len(result.numbers) == 1 else [f"_{k + 1}" for k in range(len(result.numbers))]
        head = [f"{part}{place}" for place in places for part in ("value", "low", "high")]
        lines = ((row.name, *(end for ends in _by_number(row) for end in ends)) for row in result.predictions)
        return csv_text(("name", *head), lines).rstrip("\n")
    if isinstance(result, RowDensities):
        names = tuple(field.name for field in fields(RowDensity))
        cells = ([getattr(row, name) for name in names] for row in result.predictions)
        return csv_text(names, (["" if cell is None else cell for cell in row] for row in cells)).rstrip("\n")
    rows = ((row.name, row.label, row.probability, row.likeliest) for row in result.predictions)
    return csv_text(("name", "label", "probability", "likeliest"), rows).rstrip("\n")


def _by_number(row: RowNumbers) -> Iterator[tuple[float, float, float]]:
    """Yield value, low and high of each number."""
    yield from zip(row.values, row.lows, row.highs, strict=True)


def _certainty(row: Prediction) -> str:
    """Return the probability, and of what it is where the label is not that class."""
    return f"{row.probability:.1%}" + (f" for {row.likeliest}, the nearest class" if row.likeliest != row.label else "")


def to_text(result: Predictions | RowDensities | NumberPredictions) -> str:
    """Return a line for each example, and a summary."""
    width = max((len(row.name) for row in result.predictions), default=0)
    if isinstance(result, NumberPredictions):
        lines = _number_lines(result, width)
    else:
        lines = _density_lines(result, width) if isinstance(result, RowDensities) else _class_lines(result, width)
    lines += [f"note     {note}" for note in result.notes]
    lines += [f"skipped  {name}: {reason}" for reason, names in result.skipped.items() for name in names]
    return "\n".join(lines)


def _density_lines(result: RowDensities, width: int) -> list[str]:
    lines = []
    for row in result.predictions:
        answer = f"  {row.label} {row.probability:.1%}" if row.label is not None else ""
        ratio = f"  ratio {row.ratio:.4f}" if row.ratio is not None else ""
        lines.append(f"{row.name:{width}}  {row.nll:10.4f} {result.unit}  p {row.p_value:.3f}{ratio}{answer}")
    level = max(UNTYPICAL, 1 / (1 + result.held_out_count))
    untypical = sum(row.p_value <= level + ROUNDING for row in result.predictions)
    lines.append(
        f"{untypical:,} of {len(result.predictions):,} are less typical than {1 - level:.0%} of "
        f"{result.held_out_count:,} held-out examples, whose mean is {result.held_out:.4f} {result.unit}"
    )
    return lines


def _number_lines(result: NumberPredictions, width: int) -> list[str]:
    lines = []
    for row in result.predictions:
        numbers = (f"{value:10.6g} ({low:.6g} to {high:.6g})" for value, low, high in _by_number(row))
        lines.append(f"{row.name:{width}}  {'  '.join(numbers)}")
    return [*lines, f"{len(lines):,} examples: {', '.join(result.numbers)}, with intervals of {result.coverage:.0%}"]


def _class_lines(result: Predictions, width: int) -> list[str]:
    lines = [f"{row.name:{width}}  {row.label:16} {_certainty(row)}" for row in result.predictions]
    count = Counter(row.label for row in result.predictions)
    lines.append(", ".join(f"{number:,} {label}" for label, number in count.most_common(SUMMARY_CLASSES)))
    return lines
