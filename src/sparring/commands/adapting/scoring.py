"""Score a candidate without target labels, on held-out rows of both domains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import nll_loss

from sparring.commands.adapting.training import Candidate
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.calibrate import TestResult, run_test
from sparring.commands.training.further_tests import FurtherTests
from sparring.data.dataset import Dataset
from sparring.data.in_memory import IndexedDataset
from sparring.data.joined import JoinedDomains
from sparring.data.labels import labels_as
from sparring.measure.domains.choice import CandidateScores, find_vetoes, mean_ranks
from sparring.measure.domains.label_shift import LabelShift, estimate_label_shift, trust_of
from sparring.measure.domains.risk import (
    dev_risk,
    estimated_accuracy,
    importance_weights,
    information,
    soft_neighbourhood_density,
    weighted_risk,
)
from sparring.models.classifier import Classifier, chunks_of

MAX_ROWS = 2000
"""Rows of each half of each domain on which features are compared."""
LAST_FRACTION = 1 / 10


def score(candidate: Candidate) -> CandidateScores:
    """Return the scores of a trained candidate."""
    domains, classifier = candidate.domains, candidate.classifier
    joined = domains.joined
    features, log_p = evaluate_rows(classifier, joined, domains.source_held_out)
    labels = torch.from_numpy(joined.labels[domains.source_held_out])
    _, target_log_p = evaluate_rows(classifier, joined, domains.target_held_out)
    source, target = (
        evaluate_rows(classifier, joined, _some(idx))[0] for idx in (domains.source_idx, domains.target_idx)
    )
    weights = importance_weights(source, target, features)
    losses = nll_loss(log_p, labels, reduction="none").double()
    p = target_log_p.exp()
    metrics = candidate.run.metrics()
    critic = [line["critic_accuracy"] for line in metrics if "critic_accuracy" in line]
    last = max(int(len(critic) * LAST_FRACTION), 1)
    return CandidateScores(
        name=candidate.name,
        source_accuracy=float((log_p.argmax(1) == labels).double().mean()),
        source_rows=len(labels),
        weighted_risk=weighted_risk(losses, weights),
        dev=dev_risk(losses, weights),
        information=information(p),
        entropy=float(-(p * target_log_p).sum(1).mean()),
        density=soft_neighbourhood_density(p),
        estimated_accuracy=_estimated_accuracy(log_p, labels, target_log_p),
        shares=tuple((torch.bincount(p.argmax(1), minlength=p.shape[1]) / len(p)).tolist()),
        critic=(*critic[: -last : max(len(critic) // 20, 1)], float(np.mean(critic[-last:]))) if critic else (),
        minutes=max((line.get("minutes", 0.0) for line in metrics), default=0.0),
    )


def _estimated_accuracy(log_p: Tensor, labels: Tensor, target_log_p: Tensor) -> float:
    confidence, answers = log_p.max(1)
    return estimated_accuracy(confidence, answers == labels, target_log_p.amax(1))


def label_shift(candidate: Candidate, scores: CandidateScores) -> LabelShift:
    """Return the label shift by the answers of a candidate with these scores."""
    domains, classifier = candidate.domains, candidate.classifier
    answers, others = (
        evaluate_rows(classifier, domains.joined, idx)[1].argmax(1).numpy()
        for idx in (domains.source_held_out, np.concatenate([domains.target_held_out, _some(domains.target_idx)]))
    )
    trust = trust_of(scores.estimated_accuracy)
    labels = domains.source.labels
    source = np.bincount(labels[labels >= 0], minlength=len(domains.classes)) / (labels >= 0).sum()
    known = labels[domains.source_held_out]
    return estimate_label_shift(answers, known, others, domains.classes, source, trust)


def with_ranks(scores: list[CandidateScores], shift: LabelShift) -> list[CandidateScores]:
    """Return the scores with vetoes and mean ranks; the first is source only."""
    checked = [replace(each, vetoes=find_vetoes(each, scores[0], shift)) for each in scores]
    ranks = iter(mean_ranks([each for each in checked if not each.vetoes]))
    return [each if each.vetoes else replace(each, rank=next(ranks)) for each in checked]


def accuracy_of(classifier: Classifier, data: IndexedDataset, labels: NDArray[np.int64]) -> tuple[int, int]:
    """Return correct answers and their number, on rows with a label of `labels` `[N]`."""
    idx = np.flatnonzero(labels >= 0)
    _, log_p = evaluate_rows(classifier, data, idx)
    return int((log_p.argmax(1).numpy() == labels[idx]).sum()), len(idx)


def test_on_source(candidate: Candidate, source: Dataset, progress: Progress) -> TestResult | None:
    """Test a candidate on the source's test split, read as in its training; None where there is no such split.

    Where that passed a map to the target's moments, the test's rows pass it, too, and are not attacked.
    """
    joined, test = candidate.domains.joined, source.split("test")
    labels = labels_as(candidate.domains.classes, test)
    if joined.source_map is None or not (labels >= 0).any():
        return run_test(candidate.classifier, source, source, progress)
    idx = np.flatnonzero(labels >= 0)
    _, log_p = evaluate_rows(candidate.classifier, JoinedDomains(test, joined.target, joined.source_map), idx)
    what = f"test {source.report.unit} of the source, with its columns mapped to the target's moments"
    return TestResult(what, torch.from_numpy(labels[idx]), log_p.exp(), 0, FurtherTests())


def evaluate_rows(classifier: Classifier, data: IndexedDataset, idx: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return features `[N, F]` and log probabilities `[N, K]` of rows, calibrated; float32, on the CPU."""
    features, log_p = [], []
    with torch.no_grad():
        for chunk in chunks_of(idx):
            h = classifier.features(classifier.to_input(data[chunk]))
            features.append(h.cpu())
            log_p.append(classifier.logits_of(h).log_softmax(1).cpu())
    return torch.cat(features), torch.cat(log_p)


def _some(idx: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(idx)[:MAX_ROWS]
