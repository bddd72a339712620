"""Choose what scores compare, by the kind of data: the values of a row, and the features of these values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.pairs import halves_of
from sparring.data.registry import CHANNEL_FEATURES
from sparring.data.resolve import cache_folder
from sparring.engine.data_spec import KINDS, AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.measure.features import feature_net as nets
from sparring.measure.features.feature_net import Features
from sparring.measure.features.network_input import as_input
from sparring.measure.features.trained_features import FeatureNetTraining, trained_features
from sparring.nets.mel_codec import pictures_of, to_pictures
from sparring.nets.view import view_of

SOUND_TRAINING = FeatureNetTraining(images=90_000)
"""Spectrograms of one window need fewer examples than photos."""
MAX_DEVIATIONS = 1e6
"""Largest distance of a value from the mean, in standard deviations of the training data."""
CPU = torch.device("cpu")
Values = Callable[[NDArray[Any]], NDArray[Any]]
"""Map of stored rows to the values that scores compare: uint8 images `[B, H, W, C]`, or float32 `[B, F]`."""


@singledispatch
def values_for(spec: DataSpec, training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    """Return the map of stored rows to the values that scores compare.

    `training` returns the stored training rows in chunks. Raises UsageError for kinds of data without scores.
    """
    raise _unscored(spec.kind)


def check_scored(kind: str) -> None:
    """Raise UsageError for a kind of data without scores, before any of it is read."""
    if values_for.dispatch(KINDS[kind]) is values_for.dispatch(object):
        raise _unscored(kind)


def _unscored(kind: str) -> UsageError:
    return UsageError(
        f"there are no scores of generated {kind} data: images, recordings, tables and series can be evaluated. "
        "`sparring attack` and `sparring predict` test a classifier"
    )


@values_for.register
def _(spec: ImageSpec, training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    return lambda rows: rows


@values_for.register
def _(spec: AudioSpec, training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    """Return the log-mel spectrograms of recordings, as grey images."""
    return lambda rows: to_pictures(spec, rows)


@values_for.register
def _(spec: SeriesSpec, training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    """Compare series as their generator sees them, where it has a code: prices of different years by their moves."""
    if spec.codes is None:
        return _standardised(training)
    return lambda rows: spec.encode(np.ascontiguousarray(rows)).flatten(1).numpy()


@values_for.register
def _(spec: TableSpec, training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    return _standardised(training)


@values_for.register
def _(spec: PairSpec, training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    """Return the values of both halves as network input, side by side: float32 `[B, F]`."""
    halves = [
        values_for(half, lambda k=k: (spec.by_half(rows)[k][1] for rows in training()))  # type: ignore[misc]
        for k, half in enumerate(spec.halves)
    ]

    def values(rows: NDArray[Any]) -> NDArray[np.float32]:
        parts = [of_half(part) for of_half, (_, part) in zip(halves, spec.by_half(rows), strict=True)]
        return np.concatenate([as_input(part, CPU).flatten(1).numpy() for part in parts], 1)

    return values


def _standardised(training: Callable[[], Iterable[NDArray[Any]]]) -> Values:
    """Standardise each value by its mean and deviation over the training rows.

    A gap (NaN) becomes the mean, 0. A column that has gaps in the training rows has a second value, 1 for a gap.
    """
    mean, std, has_gaps = _moments(training)

    def values(rows: NDArray[Any]) -> NDArray[np.float32]:
        x = _flat(rows)
        gaps = np.isnan(x)
        with np.errstate(over="ignore", invalid="ignore"):
            standardised = np.where(gaps & has_gaps, 0, (x - mean) / std)
        if not np.isfinite(standardised).all():
            raise SparringError("there are values that are no finite numbers (NaN or infinity): remove these rows")
        if np.abs(standardised).max(initial=0) > MAX_DEVIATIONS:
            raise SparringError(
                f"there are values more than {MAX_DEVIATIONS:,.0f} standard deviations from the mean of the training "
                "data"
            )
        return np.concatenate([standardised, gaps[:, has_gaps]], 1).astype(np.float32)

    return values


def _flat(rows: NDArray[Any]) -> NDArray[np.float64]:
    return rows.reshape(len(rows), -1).astype(np.float64)


def _moments(
    training: Callable[[], Iterable[NDArray[Any]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return mean and deviation of each value over the rows that have it, and whether rows have gaps there."""
    count = sum((np.isfinite(_flat(rows)).sum(0) for rows in training()), np.zeros(1, np.int64))
    mean = sum((np.nansum(_flat(rows), 0) for rows in training()), np.zeros(1)) / np.maximum(count, 1)
    std = np.sqrt(
        sum((np.nansum((_flat(rows) - mean) ** 2, 0) for rows in training()), np.zeros(1)) / np.maximum(count, 1)
    )
    std[std == 0] = 1
    return mean, std, count < count.max()


@singledispatch
def features_for(
    spec: DataSpec,
    choice: str | Path | nn.Module,
    weights: str | Path | None,
    data: Dataset,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Return the features of values: for tables and series the values themselves, for images those of a network.

    `choice` is "trained" (on the training images, once, kept in the cache), "raw", "inception" (with the file of its
    `weights`), a TorchScript file, or a module. Raises UsageError where the choice does not fit the kind of data.
    """
    if choice not in ("trained", "raw") or weights is not None:
        raise UsageError(f"--features and --weights are for images: {spec.kind} data are compared by their values")
    return nets.raw_features()


@features_for.register
def _(
    spec: ImageSpec,
    choice: str | Path | nn.Module,
    weights: str | Path | None,
    data: Dataset,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    if weights is not None and choice != "inception":
        raise UsageError("--weights is the file of the Inception network: it goes with --features inception")
    if isinstance(choice, nn.Module):
        return nets.module_features(choice)
    if choice == "raw":
        return nets.raw_features()
    if choice == "inception":
        return nets.standard_inception(weights)
    if choice != "trained":
        return nets.torchscript_features(Path(choice))
    channel_source = CHANNEL_FEATURES.get(data.report.format)
    images = open_source(channel_source) if channel_source else data.split("train")
    net = trained_features(
        images.spec, images.__getitem__, images.labels, data=images.fingerprint, folder=cache_folder() / "features",
        hardware=hardware, on_progress=on_progress,
    )  # fmt: skip
    return nets.features_by_channel(net, spec.channels) if channel_source else net


@features_for.register
def _(
    spec: AudioSpec,
    choice: str | Path | nn.Module,
    weights: str | Path | None,
    data: Dataset,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Return features of spectrograms: by default of a network trained on those of the training recordings."""
    if weights is not None or choice == "inception":
        raise UsageError("--features inception and --weights are for images: leave them out")
    if choice != "trained":
        return features_for.dispatch(ImageSpec)(spec, choice, weights, data, hardware, on_progress)
    training = data.split("train")
    return trained_features(
        pictures_of(spec), lambda idx: to_pictures(spec, training[idx]), training.labels, data=training.fingerprint,
        folder=cache_folder() / "features", hardware=hardware, training=SOUND_TRAINING, on_progress=on_progress,
    )  # fmt: skip


@features_for.register
def _(
    spec: PairSpec,
    choice: str | Path | nn.Module,
    weights: str | Path | None,
    data: Dataset,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Return the features of both halves, each by a network of all examples of its own source."""
    if choice not in ("trained", "raw") or weights is not None:
        raise UsageError("--features and --weights are for images: pairs are compared by features of their halves")
    sides = halves_of(data)
    halves = []
    for k, side in enumerate(sides):

        def percent(done: int, total: int, k: int = k) -> None:
            on_progress(round(100 * (k + done / total) / len(sides)), 100)

        halves.append(features_for(side.spec, choice, None, side, hardware, percent))
    shapes = [view_of(half).shape for half in spec.halves]
    return nets.features_side_by_side(dict(zip(spec.names, halves, strict=True)), shapes)
