"""Measure samples alike in several benchmarks: one feature network for each data set, and a fresh discriminator.

Not a benchmark itself. The feature network is that of `sparring evaluate` (`measure/features/trained_features.py`),
which no generator was trained with. Where the data have classes it is a classifier, and measures how often a sample is
of the class that was requested.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import data_folder

from sparring.commands.evaluating.row_views import of_array, of_dataset, of_model
from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.resolve import cache_folder
from sparring.engine.device import Hardware
from sparring.measure.diagnostics.memorisation import memorisation
from sparring.measure.diagnostics.two_sample_test import two_sample_test
from sparring.measure.features.trained_features import trained_features
from sparring.measure.scores.frechet import frechet_distance
from sparring.measure.scores.prdc import precision_recall_density_coverage
from sparring.models.generator import GeneratorModel

SOURCES: Mapping[str, tuple[str, str | None]] = {
    "mnist": ("mnist", None),
    "fashion-mnist": ("fashion-mnist", None),
    "cifar10-jpeg": ("cifar10-jpeg.zip", None),
    "orl-faces": ("orl-faces.zip", None),
    "faces-easy-32": ("faces-easy.zip", "32x28"),
    "faces-easy-64": ("faces-easy.zip", "64x55"),
    "faces-easy-128": ("faces-easy.zip", "128x110"),
    "orl-faces-64": ("orl-faces.zip", "64x53"),
}
"""Name -> source and size. CIFAR-10 is JPEG re-encoded: its figures are not CIFAR-10's."""
MOST = 10_000


def source(name: str) -> str:
    """What the command line takes."""
    file = SOURCES[name][0]
    return str(data_folder() / file) if file.endswith(".zip") else file


def size_flags(name: str) -> list[str]:
    """`--size HxW`, where it is not the data's own."""
    size = SOURCES[name][1]
    return ["--size", size] if size else []


class Judge:
    """Judges samples of one data set against its held-out images, or all of them where none are held out."""

    def __init__(self, name: str) -> None:
        size = SOURCES[name][1]
        height, width = map(int, size.split("x")) if size else (0, 0)
        self.data: Dataset = open_source(source(name), ReadOptions(size=(height, width) if size else None))
        self.hardware = Hardware.find("cpu")
        self.net = trained_features(
            self.data.spec, self.data.__getitem__, self.data.labels, data=self.data.fingerprint,
            folder=Path(cache_folder()) / "features", hardware=self.hardware,
        )  # fmt: skip
        held_out = self.data.split("test")
        self.real = of_dataset(held_out if len(held_out) else self.data)
        self.count = min(MOST, len(self.real)) if len(held_out) else max(len(self.real), 1000)
        self.real_features = self.net.of(self.real.chunks())[:MOST]

    @cached_property
    def training_features(self) -> torch.Tensor:
        """Of up to 10,000 training images."""
        rows = np.random.default_rng(0).permutation(len(self.data))[:MOST]
        return self.net.of(of_array(self.data[rows]).chunks())

    def baseline(self) -> dict[str, float]:
        """What training images score in the samples' place; of data without held-out ones, half against half."""
        x, y = self.training_features, self.real_features
        if not len(self.data.split("test")):
            order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
            x, y = y[order[::2]], y[order[1::2]]
        return {"fd": frechet_distance(x, y).value, "coverage": precision_recall_density_coverage(x, y)[3].value}

    def look(self, model: GeneratorModel, *, nash: bool = True, seed: int = 0, copies: bool = False) -> dict[str, Any]:
        """Scores of a model's samples: fd, coverage and its kin, the share of the asked class, and the Nash check."""
        return self.scores(*samples_of(model, self.count, seed), nash=nash, copies=copies)

    def scores(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], *, nash: bool = True, copies: bool = False
    ) -> dict[str, Any]:
        """The same of samples uint8 `[N, H, W, C]` with the labels `[N]` that were asked for (-1: none)."""
        x = self.net.of(of_array(pixels).chunks())
        summary: dict[str, Any] = {"samples": len(pixels), "fd": frechet_distance(x, self.real_features).value}
        prdc = precision_recall_density_coverage(x, self.real_features)
        summary |= {name: p.value for name, p in zip(("precision", "recall", "density", "coverage"), prdc, strict=True)}
        if self.net.classify is not None and (labels >= 0).any():
            guess = self.net.classify(x).argmax(1).numpy()
            summary["class_accuracy"] = float((guess == labels)[labels >= 0].mean())
        if copies:
            held_out = self.real_features if len(self.data.split("test")) else None
            results = memorisation(x, self.training_features, held_out)
            summary["memorisation"] = {k: v for k, v in vars(results).items() if isinstance(v, int | float | str)}
        if nash:
            summary["nash"] = self.nash(pixels)
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in summary.items()}

    def nash(self, pixels: NDArray[np.uint8]) -> float:
        """How often a fresh discriminator is right; 0.5 is the game's equilibrium."""
        rows = np.random.default_rng(0).permutation(len(self.real))
        real = self.real.take(rows)
        summary = two_sample_test(
            real.fetch, of_array(pixels).fetch, min(len(pixels), len(rows)), hardware=self.hardware
        )
        return summary.accuracy


def samples_of(model: GeneratorModel, count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` samples with the labels that they were asked for."""
    rows = of_model(model, count, seed, lambda done, of: None)
    return np.concatenate(list(rows.chunks())), rows.labels


def log(*words: object) -> None:
    """To stderr, with the clock."""
    import time

    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)
