"""Measure samples against data: features, scores, the two-sample test, memorisation, checks of the samples."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.evaluating.duality_gap import gap_of
from sparring.commands.evaluating.inputs import EvaluationInputs
from sparring.commands.evaluating.row_views import CHUNK_ROWS, RowView, of_dataset
from sparring.commands.reporting.progress import Progress
from sparring.engine import dist
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError
from sparring.measure.diagnostics import memorisation as copies
from sparring.measure.diagnostics.near_copies import MAX_HELD_OUT, Index
from sparring.measure.diagnostics.two_sample_test import two_sample_test
from sparring.measure.features.feature_net import Features
from sparring.measure.features.network_input import as_input
from sparring.measure.scores.evaluation import Memorisation, Score, TwoSampleResult
from sparring.measure.scores.modes import class_divergence, mode_count
from sparring.measure.scores.scores import CLASS_MEASURE, MEASURES, VALUE_MEASURE, compute_scores, score_name, to_score

MAX_VALUE_BYTES = 256 << 20
"""Largest size of the rows, as float32, whose values are compared; fewer rows are used of large images."""
MAX_CLASSES = 20
"""Largest number of classes that are scored one by one."""
MAX_JUDGED_FEATURES = 4096
"""Largest number of features that judges of the two-sample test look at."""
MIN_TEST_ROWS = 100
"""Smallest number of samples and of real rows for the two-sample test."""
DISTINCT = 0.9
"""Fraction of distinct samples below which a warning is given."""


@dataclass(frozen=True)
class ScoreFeatures:
    """Features `[N, d]` that scores compare."""

    samples: Tensor
    real: Tensor
    real_pair: tuple[Tensor, Tensor]
    """Two sets of real rows, for the real-vs-real baseline."""


@dataclass(frozen=True)
class CopyFeatures:
    """Features `[N, d]` among which copies are looked for."""

    net: str
    """Name of the features."""
    samples: Tensor
    training: Tensor
    held_out: Tensor | None
    aligned: tuple[Tensor, Tensor] | None
    """Relative distances of samples and of other real rows to training images after alignment; None of other data."""
    equal: tuple[int, int, int]
    """Numbers of samples and of real rows that are equal to another training row, and the number of real rows."""


def score_features(inputs: EvaluationInputs, net: Features, progress: Progress) -> ScoreFeatures:
    """Compute the features of samples and reference."""
    reference = inputs.reference
    samples, real, first, second = _features(net, [inputs.samples, reference.real, *reference.real_pair], progress)
    return ScoreFeatures(samples, real, (first, second))


def copy_features(inputs: EvaluationInputs, net: Features, samples: Tensor | None, progress: Progress) -> CopyFeatures:
    """Compute the features of training and held-out rows; `samples` are those of the samples, if already computed."""
    reference = inputs.reference
    views = [reference.training]
    views += [reference.held_out] if reference.held_out is not None else []
    views += [inputs.samples] if samples is None else []
    training, *others = _features(net, views, progress)
    held_out = others.pop(0) if reference.held_out is not None else None
    samples = samples if samples is not None else others[0]
    progress.info("looking for copies of training rows ...")
    return CopyFeatures(net.name, samples, training, held_out, _aligned(inputs), _equal_rows(inputs))


def _aligned(inputs: EvaluationInputs) -> tuple[Tensor, Tensor] | None:
    """Align samples, and held-out images or other training images, with the training images most like them."""
    training, held_out = inputs.reference.training, inputs.reference.held_out
    if training.fetch(np.zeros(1, np.int64)).ndim != 4:
        return None
    index = Index.of(training.fetch, len(training))
    samples = index.relative_distances(inputs.samples.fetch, np.arange(len(inputs.samples)))
    few = held_out is None or len(held_out) < len(inputs.samples)
    fresh = training if held_out is None or few else held_out
    idx = np.random.default_rng(0).permutation(len(fresh))[:MAX_HELD_OUT]
    distances = index.relative_distances(fresh.fetch, idx, exclude_self=few)
    return samples, distances.sort().values[::2] if few else distances  # two training images may share a distance


def _equal_rows(inputs: EvaluationInputs) -> tuple[int, int, int]:
    """Count samples, held-out rows, and training rows that are equal to a training row, or to another one."""
    training = Counter(_digests(of_dataset(inputs.data.split("train"))))
    held_out = Counter(_digests(of_dataset(inputs.data.split("test"))))
    samples = sum(digest in training for digest in _digests(inputs.stored))
    equal = sum(count for digest, count in held_out.items() if digest in training)
    equal += sum(count for count in training.values() if count > 1)
    return samples, equal, training.total() + held_out.total()


def _features(net: Features, views: Sequence[RowView], progress: Progress) -> list[Tensor]:
    """Compute the features of several sets of rows, with one progress bar for all."""
    progress.begin("computing features", sum(map(len, views)), unit="rows")
    done, features = 0, []

    def of_chunk(rows: RowView, before: int, number: int) -> Tensor:
        of_rows = net.of([rows.chunk(number)])
        progress.update(before + min((number + 1) * CHUNK_ROWS, len(rows)))
        return of_rows

    try:
        for rows in views:
            features.append(torch.cat(dist.shared(partial(of_chunk, rows, done), rows.chunk_count)))
            done += len(rows)
    finally:
        progress.end()
    return features


def feature_scores(
    inputs: EvaluationInputs, net: Features, features: ScoreFeatures, warnings: list[str]
) -> list[Score]:
    """Compute the scores on features: of all rows, of each class, and of the classes that the net predicts."""
    results, more = compute_scores(MEASURES, features.samples, features.real, features.real_pair, net.name)
    warnings += more
    if len(inputs.spec.classes) > 1 and (inputs.samples.labels >= 0).any():
        results += _scores_by_class(inputs, net, features, warnings)
    return results + _mode_scores(inputs, net, features) + _scores_of_halves(net, features, warnings)


def _scores_of_halves(net: Features, features: ScoreFeatures, warnings: list[str]) -> list[Score]:
    """Compute the Fréchet distance of each half of pairs, which knows nothing of the other half."""
    results = list[Score]()
    for name, (of, columns) in net.halves.items():
        sides = (features.samples, features.real, *features.real_pair)
        fake, real, first, second = (side[:, columns] for side in sides)
        scores, more = compute_scores([CLASS_MEASURE], fake, real, (first, second), of, name)
        results += scores
        warnings += more
    return results


def _scores_by_class(
    inputs: EvaluationInputs, net: Features, features: ScoreFeatures, warnings: list[str]
) -> list[Score]:
    """Compute the Fréchet distance within each class."""
    classes = inputs.spec.classes
    labels, pair_labels = inputs.samples.labels, [rows.labels for rows in inputs.reference.real_pair]
    results, too_few, needed = [], [], CLASS_MEASURE.min_rows(features.samples.shape[1])
    for k, name in enumerate(classes[:MAX_CLASSES]):
        fake, real = features.samples[labels == k], features.real[inputs.reference.real.labels == k]
        if min(len(fake), len(real)) < needed:
            too_few.append(name)
            continue
        pair = features.real_pair[0][pair_labels[0] == k], features.real_pair[1][pair_labels[1] == k]
        results += compute_scores([CLASS_MEASURE], fake, real, pair, net.name, name)[0]
    fd = score_name("fd", net.name)
    if too_few:
        warnings.append(f"{fd} by class: not computed for {', '.join(too_few)}: {needed} rows of a class are needed")
    if len(classes) > MAX_CLASSES:
        warnings.append(f"{fd} by class: computed for the first {MAX_CLASSES} of {len(classes)} classes")
    return results


def _mode_scores(inputs: EvaluationInputs, net: Features, features: ScoreFeatures) -> list[Score]:
    """Count the modes and compare the class proportions, where the net predicts classes."""
    if net.classify is None:
        return []
    classify, labels = net.classify, inputs.reference.training.labels
    total = len(inputs.spec.classes)
    counts = torch.from_numpy(np.bincount(labels[labels >= 0], minlength=total))
    fake, real = (
        torch.cat([classify(chunk).argmax(1) for chunk in torch.split(f, 1000)])
        for f in (features.samples, features.real_pair[0])
    )
    return [
        to_score(score_name("modes", net.name), mode_count(fake), mode_count(real), (1, total)),
        to_score(
            score_name("kl", net.name), class_divergence(fake, counts), class_divergence(real, counts), (0, math.inf)
        ),
    ]


def value_scores(inputs: EvaluationInputs, warnings: list[str]) -> list[Score]:
    """Compute the sliced Wasserstein distance of the values, of equally many rows on both sides."""
    pairs = [(inputs.samples, inputs.reference.real), inputs.reference.real_pair]
    limit = max(MAX_VALUE_BYTES // (4 * inputs.samples.row_values), 16)
    counts = [min(*map(len, pair), limit) for pair in pairs]
    compared, real = (
        [as_input(side.fetch(np.arange(count)), torch.device("cpu")) for side in pair]
        for pair, count in zip(pairs, counts, strict=True)
    )
    results, more = compute_scores([VALUE_MEASURE], compared[0], compared[1], (real[0], real[1]), "values")
    warnings += more
    return results


def two_sample(
    inputs: EvaluationInputs,
    net: Features,
    features: ScoreFeatures,
    hardware: Hardware,
    seed: int,
    checkpoint: str | int | None,
    progress: Progress,
    warnings: list[str],
) -> TwoSampleResult | None:
    """Run the classifier two-sample test, and compute the duality gap of a run's game."""
    count = min(len(inputs.samples), len(inputs.reference.real))
    if count < MIN_TEST_ROWS:
        warnings.append(
            f"two-sample test: not computed, {MIN_TEST_ROWS} samples and as many real rows are needed, there are "
            f"{count}"
        )
        return None
    real, fake = inputs.reference.real.fetch, inputs.samples.fetch
    on_progress = progress.callback("training judges for the two-sample test")
    result = two_sample_test(
        real, fake, count, features=_judged_features(inputs, net, features), seed=seed, hardware=hardware,
        on_progress=on_progress,
    )  # fmt: skip
    gap = None
    if inputs.run is not None:
        try:
            gap = gap_of(inputs.run, inputs.data.split("train"), hardware, progress, checkpoint or "last")
        except SparringError as error:
            warnings.append(f"duality gap: not computed, {error}")
    return replace(result, duality_gap=gap)


def _judged_features(
    inputs: EvaluationInputs, net: Features, features: ScoreFeatures
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return features and class probabilities of real rows and samples; None where the net may know the real rows.

    On rows that it was trained on a network has other features than on new ones, which is no fault of the samples.
    """
    if inputs.reference.split != "test" or features.real.shape[1] > MAX_JUDGED_FEATURES:
        return None

    def judged(x: Tensor) -> NDArray[Any]:
        probabilities = [net.classify(x).softmax(1)] if net.classify is not None else []
        return np.asarray(torch.cat([x, *(p.to(x.device) for p in probabilities)], 1).numpy())

    with torch.no_grad():
        return judged(features.real), judged(features.samples)


def memorisation(features: CopyFeatures, seed: int, warnings: list[str]) -> Memorisation | None:
    """Test for copies of training rows, in features that hardly change with small changes of a row."""
    try:
        return copies.memorisation(
            features.samples, features.training, features.held_out, aligned=features.aligned, equal=features.equal,
            seed=seed,
        )  # fmt: skip
    except ValueError as error:
        warnings.append(f"memorisation: not computed, {error}")
        return None


def check_samples(inputs: EvaluationInputs) -> list[str]:
    """Return warnings on duplicates among the samples, on samples equal to real rows, and on constant samples."""
    warnings = list(inputs.notes)
    samples = Counter(_digests(inputs.samples))
    real = set(_digests(inputs.reference.real))
    total = len(inputs.samples)
    if len(samples) == 1:
        warnings.append(f"all {total:,} samples are equal")
    elif len(samples) < DISTINCT * total:
        warnings.append(f"only {len(samples):,} of {total:,} samples are distinct")
    if equal := sum(count for digest, count in samples.items() if digest in real):
        what = (
            "the samples are the reference itself" if equal == total == len(samples) else "some samples are real rows"
        )
        warnings.append(f"{what}: {equal:,} of {total:,} samples are equal, byte for byte, to one of the reference")
    constant = sum(
        int((chunk.reshape(len(chunk), -1) == chunk.reshape(len(chunk), -1)[:, :1]).all(1).sum())
        for chunk in inputs.samples.chunks()
    )
    if constant:
        warnings.append(f"{constant:,} of {total:,} samples are constant: all their values are equal")
    if len(inputs.spec.classes) == 1:
        warnings.append("the data have one class: the feature net is trained without labels, and no class is scored")
    return warnings


def _digests(rows: RowView) -> Iterator[bytes]:
    return (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for chunk in rows.chunks() for row in chunk)
