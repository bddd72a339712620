"""From weights to answers that can be relied on: probabilities that are right, and a "none of these"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.attacks.losses import margin
from sparring.attacks.pgd import pgd
from sparring.attacks.threat_model import Threat
from sparring.data.dataset import Dataset
from sparring.data.in_memory import IndexedDataset, as_input
from sparring.data.labels import labels_as
from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.measure.classifier.calibration import PgdResult, temperature
from sparring.models.classifier import CHUNK_ROWS, Classifier, views_of
from sparring.nets.feature_head import features_of, logits_of
from sparring.nets.lda import LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.stats.proportion import Proportion

COPIES = 2000
"""Changed copies of labelled images that probabilities are set by, about."""
TYPICAL = 2000
"""Training images that tell what is familiar."""
ASIDE, LEAST, MOST = 20, 50, 500
"""Of every so many labelled images of a class one is set aside; none where they would be fewer, and no more."""
ATTACKED, EPS = 200, (8 / 255, 0.1)
"""Tested images that are attacked, and by how much each pixel may change."""
STRANGE = 0.002
"""Share of the training images that may seem unfamiliar."""


def set_aside(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose labels are kept for calibration, of labels `[N]` (-1: none): a twentieth of each class, where they are many enough.

    Training should not see them. Who learns thousands of labels by heart knows their changed copies by heart, too.
    """
    rng = np.random.default_rng(0)
    classes = (rng.permutation(np.flatnonzero(labels == k)) for k in range(labels.max(initial=-1) + 1))
    rows = np.concatenate([np.empty(0, np.int64), *(known[: len(known) // ASIDE] for known in classes)])
    return np.sort(rng.permutation(rows)[:MOST]) if len(rows) >= LEAST else rows[:0]


def calibrated(
    net: nn.Module, data: IndexedDataset, recipe: ClassifierRecipe, about: Mapping[str, Any], hardware: Hardware,
    aside: NDArray[np.int64] | None = None,
) -> Classifier:  # fmt: skip
    """The classifier of the averaged `net`, calibrated on what it was given to learn from alone.

    The temperature comes from the rows that were set `aside`, of which training knew nothing. Where there are none, it comes
    from changed copies of the labelled images: the images themselves are known by heart. The copies stand for images that
    it never saw, and how far these are from the labelled ones does not hang on how it was trained: so they are changed by
    `recipe.augmentation` whatever its `augment_strength` (docs/lab-notebook.md has what scaled ones were worth). What the memory knows of the classes
    comes from 4,000 training images by what they are taken for; what is familiar, from how 2,000 of them look, and its
    bound is what one in 500 of the others falls below.
    """
    net = net.eval()
    with torch.no_grad(), hardware.autocast():
        factor = _temperature(net, data, recipe, hardware.device, aside)
        rows = _some(len(data), 2 * TYPICAL)
        features, seen = (
            torch.cat(part)
            for part in zip(*(ood_features(net, x) for x in _images(data, rows, hardware.device)), strict=True)
        )
        guesses = logits_of(net, features).argmax(1)
    half = (len(seen) + 1) // 2
    memory = Memory(LDA.fit(features, guesses), reference=seen[:half])
    rest = seen[half:] if len(seen) > half else seen
    bound = _bound(memory.familiarity(rest))
    return Classifier(net, data.spec, recipe, data.spec.classes, factor, bound, memory, about)


def _bound(familiar: Tensor) -> float:
    """What a share STRANGE of all images falls below, by a sample `[N]`; one too small to hold any such is taken as normal."""
    least = familiar.quantile(STRANGE)
    if len(familiar) < 1 / STRANGE:
        deviation, mean = torch.std_mean(familiar.double(), correction=0)
        least = torch.minimum(least, mean + deviation * torch.special.ndtri(torch.tensor(STRANGE)))
    return float(least)


def _temperature(
    net: nn.Module,
    data: IndexedDataset,
    recipe: ClassifierRecipe,
    device: torch.device,
    aside: NDArray[np.int64] | None,
) -> float:
    if aside is not None and len(aside):
        known = rows = aside
    else:
        aside, known = None, np.random.default_rng(0).permutation(np.flatnonzero(data.labels >= 0))
        rows = np.resize(known, COPIES)  # again and again, where they are fewer
    labels = torch.from_numpy(data.labels[rows]).to(device)
    logits = []
    for k, (x, y) in enumerate(zip(_images(data, rows, device), torch.split(labels, CHUNK_ROWS), strict=True)):
        changed = recipe.augmentation(x, Batch(x, y, seed=k)) if aside is None and recipe.augmentation else x
        views = [logits_of(net, features_of(net, view)) for view in views_of(changed, recipe.tta)]
        logits.append(torch.stack(views, 1))
    return temperature(torch.cat(logits), labels, smoothing=1 / (len(known) + 2))


@dataclass(frozen=True)
class Answered:
    """What a classifier said of images with known labels."""

    on: str
    """Which images, in words."""
    labels: Tensor
    """int64 `[N]`"""
    probabilities: Tensor
    """`[N, classes]`"""
    unfamiliar: int
    """Images that it called "none of these"."""
    attacked: list[PgdResult]


def answered(classifier: Classifier, whole: Dataset, told: Dataset, under: Sequence[float] = EPS) -> Answered | None:
    """The classifier on the source's test images, or else on training images whose labels it was not `told`; None: neither.

    Some of them are attacked as well, with each eps of `under`.
    """
    classes = told.spec.classes
    images, on = whole.split("test"), "test images"
    labels = labels_as(classes, images)
    if not (labels >= 0).any():
        images, on = whole, "training images whose labels it was not told"
        labels = np.where(told.labels < 0, labels_as(classes, whole), -1)
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return None
    probabilities, unfamiliar = [], 0
    for first in range(0, len(rows), CHUNK_ROWS):
        answers = classifier.predict(images[rows[first : first + CHUNK_ROWS]])
        probabilities.append(answers.probabilities)
        unfamiliar += int(answers.unknown.sum())
    some = rows[_some(len(rows), ATTACKED)]
    under_attack = [attacked(classifier, images[some], labels[some], eps) for eps in under]
    return Answered(on, torch.from_numpy(labels[rows]), torch.cat(probabilities).cpu(), unfamiliar, under_attack)


def attacked(
    classifier: Classifier, images: NDArray[np.uint8], labels: NDArray[np.int64], eps: float, steps: int = 20
) -> PgdResult:
    """Answers on images `[N, H, W, C]` that stay right when each pixel may change by `eps` of the range, by PGD.

    The attack sees all that the answer is made of, the averaging over views included; "none of these" is no defence here.
    """
    x = (classifier.to_input(images) + 1) / 2
    y = torch.from_numpy(labels).to(x.device)
    found = pgd(lambda x: classifier.log_probabilities(x * 2 - 1), x, y, Threat("Linf", eps), loss=margin, steps=steps)
    return PgdResult(eps, steps, Proportion.count(int((~found.success).sum()), len(y)))


def _some(count: int, most: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(count)[:most]


def _images(data: IndexedDataset, rows: NDArray[np.int64], device: torch.device) -> list[Tensor]:
    """Some images at a time, `[B, C, H, W]` in [-1, 1]."""
    return [as_input(data[rows[first : first + CHUNK_ROWS]], device) for first in range(0, len(rows), CHUNK_ROWS)]
