"""Turn trained weights into a classifier with calibrated probabilities and a "none of these"; test it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.further_tests import ATTACK_EPS, FurtherTests, further_tests
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.in_memory import IndexedDataset
from sparring.data.labels import labels_as
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError
from sparring.engine.game import Batch
from sparring.measure.classifier.calibration import temperature
from sparring.models.classifier import CHUNK_ROWS, Classifier, chunks_of, load_classifier, views_of
from sparring.nets.feature_head import features_of, logits_of
from sparring.nets.lda import LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features
from sparring.recipes.classifier_recipe import ClassifierRecipe

COPIES = 2000
"""Changed copies of labelled examples that the temperature is fitted on."""
FAMILIAR_EXAMPLES = 2000
"""Training examples that define what is familiar; the bound comes from as many others."""
CALIBRATION_FRACTION = 1 / 20
"""Proportion of each class's labels that are set aside for calibration."""
MIN_CALIBRATION, MAX_CALIBRATION = 50, 500
"""Labels set aside: none where they would be fewer, and no more than this."""
QUIET = Progress(quiet=True)
UNFAMILIAR_FRACTION = 0.002
"""Proportion of the training examples that may count as unfamiliar."""


def calibration_subset(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of labels `[N]` kept for calibration: a twentieth of each class, where there are many.

    Training must not see them: memorised examples, and changed copies of them, get over-confident answers.
    """
    rng = np.random.default_rng(0)
    classes = (rng.permutation(np.flatnonzero(labels == k)) for k in range(labels.max(initial=-1) + 1))
    each = round(1 / CALIBRATION_FRACTION)
    idx = np.concatenate([np.empty(0, np.int64), *(of_class[: len(of_class) // each] for of_class in classes)])
    return np.sort(rng.permutation(idx)[:MAX_CALIBRATION]) if len(idx) >= MIN_CALIBRATION else idx[:0]


def calibrated(
    net: nn.Module, data: IndexedDataset, recipe: ClassifierRecipe, metadata: Mapping[str, Any], hardware: Hardware,
    calibration_idx: NDArray[np.int64] | None = None, progress: Progress = QUIET,
) -> Classifier:  # fmt: skip
    """Return the classifier of the averaged `net`, calibrated on its training data alone.

    The temperature is fitted on the examples `calibration_idx`, which training did not see. Without them it is fitted
    on changed copies of the labelled examples, by `recipe.augmentation` whatever the recipe's `augment_strength`: how
    far new examples are from the labelled ones does not depend on the training (docs/lab-notebook.md). Class means come
    from 4,000 training examples by their predicted classes. The familiarity bound is the quantile at 1 in 500 of 2,000
    training examples against 2,000 others.
    """
    net = net.eval()
    with torch.no_grad(), hardware.autocast():
        factor = _temperature(net, data, recipe, hardware.device, calibration_idx, progress)
        parts = list(chunks_of(_random_subset(len(data), 2 * FAMILIAR_EXAMPLES)))
        chunks = [
            ood_features(net, data.spec.encode(data[part], hardware.device))
            for part in progress.track("measuring what is familiar", parts)
        ]
        features, embeddings = (torch.cat(part) for part in zip(*chunks, strict=True))
        predicted = logits_of(net, features)[:, : len(data.spec.classes)].argmax(1)
    half = (len(embeddings) + 1) // 2
    memory = Memory(LDA.fit(features, predicted), reference=embeddings[:half])
    others = embeddings[half:] if len(embeddings) > half else embeddings
    bound = _familiarity_bound(memory.familiarity(others))
    return Classifier(net, data.spec, recipe, data.spec.classes, factor, bound, memory, metadata)


def _familiarity_bound(familiarity: Tensor) -> float:
    """Return the value that UNFAMILIAR_FRACTION of all examples are below; small samples `[N]` are taken as normal."""
    bound = familiarity.quantile(UNFAMILIAR_FRACTION)
    if len(familiarity) < 1 / UNFAMILIAR_FRACTION:
        std, mean = torch.std_mean(familiarity.double(), correction=0)
        bound = torch.minimum(bound, mean + std * torch.special.ndtri(torch.tensor(UNFAMILIAR_FRACTION)))
    return float(bound)


def _temperature(
    net: nn.Module,
    data: IndexedDataset,
    recipe: ClassifierRecipe,
    device: torch.device,
    calibration_idx: NDArray[np.int64] | None,
    progress: Progress,
) -> float:
    if calibration_idx is not None and len(calibration_idx):
        idx, count, changes = calibration_idx, len(calibration_idx), None
    else:
        labelled_idx = np.random.default_rng(0).permutation(np.flatnonzero(data.labels >= 0))
        idx, count, changes = np.resize(labelled_idx, COPIES), len(labelled_idx), recipe.augmentation  # repeated if few
    labels = torch.from_numpy(data.labels[idx]).to(device)
    logits = []
    for k, part in enumerate(progress.track("calibrating", list(chunks_of(idx)))):
        x, y = data.spec.encode(data[part], device), labels[k * CHUNK_ROWS : k * CHUNK_ROWS + len(part)]
        changed = changes(x, Batch(x, y, seed=k)) if changes else x
        views = [logits_of(net, features_of(net, view)) for view in views_of(changed, recipe.tta)]
        logits.append(torch.stack(views, 1))
    return temperature(torch.cat(logits), labels, smoothing=1 / (count + 2))


def save_classifier(session: TrainingSession, classifier: Classifier) -> None:
    """Write the classifier into the run, unless the saved one remembers examples: training does not know these."""
    run = session.run
    try:
        remembered = session.resumed and len(load_classifier(run.path, copy.deepcopy(classifier.net).cpu()).memory)
    except SparringError:  # none yet, or a damaged one, which is replaced
        remembered = 0
    if remembered:
        session.notes([f"the classifier in {run.path} remembers examples since its training: it is kept as it is"])
    else:
        classifier.save(run.path)


# test


@dataclass(frozen=True)
class TestResult:
    """Answers of a classifier for examples with known labels."""

    tested_on: str
    """Description of the examples."""
    labels: Tensor
    """int64 `[N]`"""
    probabilities: Tensor
    """`[N, classes]`"""
    unknown: int
    """Number of examples that it called "none of these"."""
    further: FurtherTests


def run_test(
    classifier: Classifier,
    source: Dataset,
    data: Dataset,
    progress: Progress = QUIET,
    attack_eps: Sequence[float] = ATTACK_EPS,
) -> TestResult | None:
    """Test on the test split of `source`, else on training examples whose labels `data` hides; None: there are neither.

    Some images are attacked as well, with each radius of `attack_eps`.
    """
    classes, unit = data.spec.classes, source.report.unit
    test, tested_on = source.split("test"), f"test {unit}"
    labels = labels_as(classes, test)
    if not (labels >= 0).any():
        test, tested_on = source, f"training {unit} whose labels were hidden"
        labels = np.where(data.labels < 0, labels_as(classes, source), -1)
    idx = np.flatnonzero(labels >= 0)
    if not len(idx):
        return None
    answers = [classifier.predict(test[chunk]) for chunk in progress.track("testing", list(chunks_of(idx)))]
    progress.info("attacking and other tests ...")
    return TestResult(
        tested_on,
        torch.from_numpy(labels[idx]),
        torch.cat([chunk.probabilities for chunk in answers]).cpu(),
        sum(int(chunk.unknown.sum()) for chunk in answers),
        further_tests(data.spec, classifier, test, labels, attack_eps),
    )


def _random_subset(count: int, max_size: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(count)[:max_size]
