"""Grow boosted trees beside the network of a classifier of a table, and choose between them by validation rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.commands.training.labels import LabelledTraining
from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.measure.boosting.comparison import NETWORK, TREES, TreeComparison, mean_interval
from sparring.measure.boosting.grow import MISSING, boosted_classifier, can_boost, has_trees, rows_to_boost
from sparring.measure.classifier.calibration import temperature
from sparring.models.classifier import chunks_of
from sparring.nets.boosted_trees import BoostedClassifier
from sparring.nets.feature_head import features_of, logits_of
from sparring.stats.auc import auc

LOSS = "log loss"


@dataclass(frozen=True)
class Rated:
    """Answers of a classifier for rows with known labels."""

    loss: Tensor
    """Cross entropy of each row, `[N]`."""
    score: Tensor
    """Logit of class 1 minus that of class 0, `[N]`."""


def network_or_trees(
    training: LabelledTraining, net: nn.Module, calibration_idx: NDArray[np.int64]
) -> tuple[nn.Module, TreeComparison | None]:
    """Return the classifier with the lower log loss on the rows `calibration_idx`, and the comparison on test rows.

    Boosted trees are grown on the rows that `net` learnt from. The logits of both are divided by a temperature that is
    fitted on the same rows. Of other data, without scikit-learn, and where the recipe has `trees` off, there is no
    comparison. Without such rows, and where `net` is custom, the network stays.
    """
    data, session = training.data, training.session
    idx = rows_to_boost(np.setdiff1d(np.flatnonzero(data.labels >= 0), calibration_idx))
    if (
        not has_trees(data.spec)
        or not getattr(session.settings.recipe, "trees", True)
        or len(np.unique(data.labels[idx])) < 2
    ):
        return net, None
    if not can_boost():
        session.notes([MISSING])
        return net, None
    session.progress.info("growing boosted trees ...")
    x = torch.cat([data.spec.encode(data[chunk]) for chunk in chunks_of(idx)]).numpy()
    trees = boosted_classifier(x, data.labels[idx], len(data.spec.classes), session.settings.seed)
    both = net, BoostedClassifier(net, trees).eval()
    labels = data.labels[calibration_idx]
    factors = [_temperature(_logits(each, data, calibration_idx), labels) for each in both]
    comparison = TreeComparison(LOSS, NETWORK, len(calibration_idx))
    if len(calibration_idx):
        network, boosted = (
            _rated(each, data, calibration_idx, labels, factor) for each, factor in zip(both, factors, strict=True)
        )
        difference = mean_interval(network.loss - boosted.loss)
        wins = difference.value > 0 and not session.settings.custom_nets
        comparison = replace(comparison, validation=difference, winner=TREES if wins else NETWORK)
    comparison = _with_test(comparison, both, factors, training)
    return both[comparison.winner == TREES], comparison


def _with_test(
    comparison: TreeComparison, both: tuple[nn.Module, nn.Module], factors: list[float], training: LabelledTraining
) -> TreeComparison:
    """Return the comparison with the losses on the test rows, where there are any with a label."""
    test = training.source.split("test")
    labels = labels_as(training.data.spec.classes, test)
    idx = np.flatnonzero(labels >= 0)
    if not len(idx):
        return comparison
    network, boosted = (
        _rated(each, test, idx, labels[idx], factor) for each, factor in zip(both, factors, strict=True)
    )
    tested = replace(
        comparison, tested_on=f"{len(idx):,} test {test.report.unit}", network=float(network.loss.mean()),
        trees=float(boosted.loss.mean()), difference=mean_interval(network.loss - boosted.loss),
    )  # fmt: skip
    if len(training.data.spec.classes) != 2 or len(np.unique(labels[idx])) != 2:
        return tested
    positive = labels[idx] == 1
    areas = [auc(each.score.numpy()[~positive], each.score.numpy()[positive]) for each in (network, boosted)]
    return replace(tested, network_auc=areas[0], trees_auc=areas[1])


def _temperature(logits: Tensor, labels: NDArray[np.int64]) -> float:
    return temperature(logits, torch.from_numpy(labels), smoothing=1 / (len(labels) + 2)) if len(labels) else 1.0


def _rated(net: nn.Module, data: Dataset, idx: NDArray[np.int64], labels: NDArray[np.int64], factor: float) -> Rated:
    """Return losses and scores of the rows `idx` with these `labels`; logits are divided by `factor`."""
    logits = _logits(net, data, idx) / factor
    return Rated(cross_entropy(logits, torch.from_numpy(labels), reduction="none"), logits[:, 1] - logits[:, 0])


@torch.no_grad()
def _logits(net: nn.Module, data: Dataset, idx: NDArray[np.int64]) -> Tensor:
    """Return the logits of the rows `idx`, float64, on the CPU."""
    device = next(net.parameters()).device
    chunks = [logits_of(net, features_of(net, data.spec.encode(data[chunk], device))) for chunk in chunks_of(idx)]
    return torch.cat(chunks).cpu().double() if chunks else torch.zeros(0, len(data.spec.classes)).double()
