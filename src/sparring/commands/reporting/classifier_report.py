"""What a classifier got right: the figures, the images to label next, and their page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.calibrate import Answered
from sparring.data.dataset import Dataset
from sparring.engine.atomic_io import write
from sparring.engine.image_io import grid, save_png
from sparring.engine.run_folder import Run
from sparring.measure.classifier.active_learning import in_turn, unlike
from sparring.measure.classifier.calibration import (
    UNTESTED,
    ClassificationReport,
    calibration_error,
    confusion,
    reliability,
)
from sparring.models.classifier import CHUNK_ROWS, Classifier
from sparring.stats.proportion import Proportion

TO_LABEL = 100
"""Images that are named as worth a label."""
LOOKED_AT = 10_000
"""Unlabelled images among which these are looked for."""
WHY = "unsure", "unlike all labelled"
TOLD = "told already"
SHOWN, NAMED = 50, 5
DOUBTFUL = 0.2
"""Share of the labelled images that may be taken for others because their labels are wrong; of more it is the classifier."""
SURE, LAST = 0.1, 10
"""Share of the unlabelled images that should have an answer in the last tenth of a training."""


def classification_of(
    run: Run, classifier: Classifier, data: Dataset, test: Answered | None, notes: Sequence[str]
) -> ClassificationReport:
    """The figures of a test, or of none."""
    found = ClassificationReport(
        run=str(run.path), recipe=classifier.recipe.name, seed=classifier.metadata["seed"], labels=int((data.labels >= 0).sum()),
        minutes=max((line.get("minutes", 0.0) for line in run.metrics()), default=0.0), classes=data.spec.classes,
        temperature=classifier.temperature, to_label=str(run.path / "to_label.csv"), notes=list(notes),
    )  # fmt: skip
    if test is None:
        return found
    best, answers = test.probabilities.max(1)
    correct = answers == test.labels
    curve = reliability(best, correct)
    return replace(
        found, errors=Proportion.count(int((~correct).sum()), len(correct)), tested_on=test.on,
        confusion=confusion(answers, test.labels, len(data.spec.classes)).tolist(),
        reliability=curve, calibration_error=calibration_error(curve), unfamiliar=test.unfamiliar, attacked=test.attacked,
    )  # fmt: skip


def write_classification(run: Run, found: ClassificationReport, classifier: Classifier, data: Dataset) -> None:
    """classification.json, to_label.csv and .png, report.html; a table that is there already may be filled in by now: it stays."""
    run.write_json("classification", asdict(found))
    if not Path(found.to_label).exists():
        _write_to_label(run, Path(found.to_label), classifier, data)
    write_run(run, ())


def _write_to_label(run: Run, path: Path, classifier: Classifier, data: Dataset) -> None:
    worth = _worth_a_label(classifier, data)
    if worth:
        picture = grid(data[np.array([one[0] for one in worth[:SHOWN]])], 10)
        save_png(picture, path.with_suffix(".png"), f"run {run.path.name}, the images whose labels are worth most")
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow(("name", "label", "guess", "probability", "why"))
    lines.writerows((data.names[row], "", guess, round(p, 4), why) for row, guess, p, why in worth)
    told = [*np.flatnonzero(data.labels >= 0)] if worth else []  # the table, filled in, names all labels there are
    lines.writerows((data.names[row], data.spec.classes[data.labels[row]], "", "", TOLD) for row in told)
    write(path, table.getvalue().encode(errors="surrogateescape"))  # a file's name is bytes


def doubts(classifier: Classifier, data: Dataset, aside: NDArray[np.int64]) -> list[str]:
    """A note on labelled images that the classifier, which was told their labels but `aside`, still takes for others; or none."""
    rows = np.setdiff1d(np.flatnonzero(data.labels >= 0), aside)[:LOOKED_AT]
    answers = torch.cat(
        [classifier.predict(data[rows[k : k + CHUNK_ROWS]]).best.cpu() for k in range(0, len(rows), CHUNK_ROWS)]
    )
    labels = data.labels[rows]
    odd = np.flatnonzero(answers.numpy() != labels)
    if not len(odd):
        return []
    taken = f"{len(odd):,} of {len(rows):,} labelled images are taken for another class"
    if len(odd) > DOUBTFUL * len(rows):
        return [f"{taken}, more than labels are wrong as a rule: it has not learnt them yet, train it for longer"]
    told = [
        f"{data.names[rows[k]]} (told {data.spec.classes[labels[k]]}, taken for {data.spec.classes[int(answers[k])]})"
        for k in odd[:NAMED]
    ]
    more = f" and {len(odd) - NAMED} more" * (len(odd) > NAMED)
    return [f"{taken}, look at their labels: {', '.join(told)}{more}"]


def untaught(run: Run) -> list[str]:
    """A note where the teacher was sure of few unlabelled images up to the end, so that they taught little; or none."""
    sure = [line["confident"] for line in run.metrics() if "confident" in line]
    last = sure[-max(len(sure) // LAST, 1) :]
    if not last or fmean(last) >= SURE:
        return []
    return [
        f"the classifier was sure of {fmean(last):.0%} of the unlabelled images in the end, so they taught it little: train it for "
        "longer, or let it see more labelled images in the same time (--generated-weight 0 --labelled-batch-size 72)"
    ]


def _worth_a_label(classifier: Classifier, data: Dataset) -> list[tuple[int, str, float, str]]:
    """Unlabelled images: row, guess, its probability, and why. The least sure, and the least like any labelled one, in turn."""
    rows = np.flatnonzero(data.labels < 0)
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:LOOKED_AT])
    if not len(rows):
        return []
    labelled = np.random.default_rng(0).permutation(np.flatnonzero(data.labels >= 0))[:LOOKED_AT]
    looks = [
        classifier.predict(data[rows[k : k + CHUNK_ROWS]]).probabilities.max(1) for k in range(0, len(rows), CHUNK_ROWS)
    ]
    best, which = (torch.cat([part[side] for part in looks]).cpu() for side in (0, 1))
    known, unknown = (_features(classifier, data, some) for some in (labelled, rows))
    chosen = in_turn(best.argsort(stable=True)[:TO_LABEL], unlike(unknown, known, TO_LABEL))[:TO_LABEL]
    return [(int(rows[k]), classifier.classes[int(which[k])], float(best[k]), WHY[ranking]) for ranking, k in chosen]


def _features(classifier: Classifier, data: Dataset, rows: NDArray[np.int64]) -> Tensor:
    """`[N, F]`, on the CPU."""
    with torch.no_grad():
        parts = [classifier.encode(data[rows[k : k + CHUNK_ROWS]]).cpu() for k in range(0, len(rows), CHUNK_ROWS)]
    return torch.cat(parts)


def to_text(found: ClassificationReport) -> str:
    """The lines that are printed."""
    lines = [f"run         {found.run}"]
    errors = found.errors
    lines.append(f"errors      {UNTESTED}" if errors is None else f"errors      {_errors(found, errors)}")
    lines += [
        f"attacked    accuracy {test.accuracy}, where each pixel may change by {test.eps:.3f} (PGD, {test.steps} steps)"
        for test in found.attacked
    ]
    lines += [
        f"label next  {found.to_label}",
        f"report      {found.run}/report.html",
        f"answers     sparring predict {found.run} IMAGES",
    ]
    return "\n".join(lines)


def _errors(found: ClassificationReport, errors: Proportion) -> str:
    return (
        f"{errors.text(2)}, {errors.hits:,} of {errors.total:,} {found.tested_on}, trained with {found.labels:,} labels"
    )
