"""Begin the training of a classifier: the labels that it learns from, remarks on them, the loader of its batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.request import TrainRequest
from sparring.commands.training.run_settings import RunSettings
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.in_memory import IndexedDataset
from sparring.data.labels import choose_labels, read_labels
from sparring.data.loader import BatchLoader
from sparring.engine import dist
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.recipes.classifier_recipe import ClassifierRecipe

UNEVEN_RATIO = 10
"""Labels of the largest class per label of the smallest, from which a note is printed."""


@dataclass(frozen=True)
class LabelledTraining:
    """A training of a classifier, ready to play."""

    session: TrainingSession
    source: Dataset
    """Training examples with all labels that they have."""
    data: Dataset
    """The same with the labels that are learnt from."""
    notes: list[str]

    @classmethod
    def start(
        cls,
        command: str,
        request: TrainRequest,
        progress: Progress | None,
        remarks: Callable[[Dataset, ClassifierRecipe], list[str]],
        narrow: Callable[[Dataset], Dataset] = lambda data: data,
    ) -> LabelledTraining:
        """Start or resume a session, select the labels, print notes and `remarks`; raises UsageError as these do.

        `narrow` hides labels that are not for training.
        """
        dist.check_single_process()
        session = TrainingSession.start(command, request, progress)
        source = session.open_data()
        data, notes = select_labels(source, session.settings)
        data = narrow(data)
        notes += remarks(data, session.settings.recipe)
        session.notes(notes)
        if session.resumed:
            check_same_labels(session.run, data)
        return cls(session.resolve(data), source, data, notes)


def classifier_loader(
    data: IndexedDataset, recipe: ClassifierRecipe, seed: int, hardware: Hardware, calibration_idx: NDArray[np.int64]
) -> BatchLoader:
    """Return the loader of all examples, or for a supervised recipe of the labelled ones, but `calibration_idx`."""
    candidates = np.arange(len(data)) if recipe.labelled_batch_size else np.flatnonzero(data.labels >= 0)
    return BatchLoader(
        data, recipe.batch_size, seed=seed, mirror=recipe.mirror, labelled=recipe.labelled_batch_size, balanced=True,
        among=np.setdiff1d(candidates, calibration_idx), device=hardware.device,
    )  # fmt: skip


def select_labels(source: Dataset, settings: RunSettings) -> tuple[Dataset, list[str]]:
    """Return the training examples with the labels that are learnt from, and remarks.

    Raises UsageError where there are none, or fewer than two classes.
    """
    labels, classes, notes = source.labels, source.spec.classes, list[str]()
    if source.vectors is not None:
        raise UsageError(
            f"the labels of {settings.source} are vectors of numbers, and a classifier needs classes: "
            "`sparring regress` predicts numbers"
        )
    if settings.labels_file is not None:
        labels, classes, notes = read_labels(Path(settings.labels_file), source.names, classes, _other_names(source))
    elif not (labels >= 0).any():
        raise UsageError(f"{settings.source} has no labels: {_WAYS_TO_LABEL.get(source.spec.kind, _BY_FOLDER)}")
    elif settings.labels is not None:
        labels = choose_labels(labels, settings.labels, classes, settings.seed)
    data = source.relabelled(labels, classes)
    missing, unit = missing_classes(data), data.report.unit
    notes += missing if settings.labels_file is None else []
    count = int((labels >= 0).sum())
    notes.insert(0, f"{count:,} of {len(labels):,} training {unit} have a label, of {len(classes)} classes")
    return data, notes


def _other_names(source: Dataset) -> dict[str, str]:
    """Return names that a table may hold beside those of training examples: of copies, and of what is not used."""
    left_out = {name: "" for names in source.skipped.values() for name in names}
    test = dict.fromkeys(source.split("test").names, "")
    return {**left_out, **test, **source.report.copies}


def uneven_classes(data: Dataset, recipe: ClassifierRecipe) -> list[str]:
    """Return a note where some classes have many more labels than others, in a training that balances them."""
    counts, classes = np.array(data.class_counts), data.spec.classes
    if counts.max() < UNEVEN_RATIO * max(counts.min(), 1):
        return []
    few, many = int(counts.argmin()), int(counts.argmax())
    advice = "; if all examples are as uneven, add --no-balance-classes" if recipe.balance_classes else ""
    return [
        f"the labels are uneven: {counts[many]:,} of '{classes[many]}', {counts[few]:,} of '{classes[few]}'. Labelled "
        f"examples are drawn equally often from each class{advice}"
    ]


_BY_FOLDER = "put the files into one folder a class, or list labels in a CSV of name,label (--labels-file)"
_WAYS_TO_LABEL = {"table": "name the column of the class (--label COLUMN)"}
"""Kind of data -> how labels are given."""


def missing_classes(data: Dataset) -> list[str]:
    """Return a note on each class without a labelled example; raise UsageError where there is only one class."""
    classes = data.spec.classes
    if len(classes) < 2:
        raise UsageError(f"the labels name only one class ('{classes[0]}'): a classifier needs two or more")
    counts = zip(classes, data.class_counts, strict=True)
    return [f"no labelled example is of class '{name}': it is never predicted" for name, count in counts if not count]


def labels_digest(data: Dataset) -> str:
    """Return a digest of the labels and classes."""
    content = repr((data.spec.classes, data.labels.tolist())).encode(errors="replace")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def check_same_labels(run: Run, data: Dataset) -> None:
    """Raise UsageError where the labels are others than those that the run was begun with."""
    if run.settings["labels"] != labels_digest(data):
        path = run.settings["request"]["labels_file"]
        raise UsageError(f"{run.path} was begun with other labels: {path} has changed. Choose another --out")
