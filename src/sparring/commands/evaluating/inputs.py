"""One case for `sparring evaluate`: samples of a run, of any tool's files or of a table, and the data beside them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.evaluating.row_views import (
    TRAINING,
    Reference,
    RowView,
    Split,
    at_most,
    check_memory,
    of_array,
    of_images,
    of_model,
    open_pair,
    reference_of,
)
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset
from sparring.data.image_shape import parse_size
from sparring.data.open import open_images
from sparring.data.reader_api import mode_of
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.models.generator import load_generator
from sparring.models.saved import saved_players

MOST, USUAL = 10_000, 1_000
"""Samples taken where no number is asked for: as many as there are real ones, between these."""

Source = str | Path | NDArray[Any]


@dataclass(frozen=True)
class EvaluationRequest:
    """What was asked of an evaluation, beside the samples and the data."""

    n: int | None = None
    seed: int = 0
    split: Split | None = None
    size: str | tuple[int, int] | None = None
    mode: str | None = None
    checkpoint: str | int | None = None
    raw: bool = False
    truncation: float | None = None

    def __post_init__(self) -> None:
        if self.n is not None and not (isinstance(self.n, int) and self.n >= 16):
            raise UsageError(f"-n must be a whole number of 16 or more, not {self.n}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 63:
            raise UsageError(f"--seed must be 0 or more, and below 2^63, not {self.seed}")
        if self.split not in (None, "test", "train", "all"):
            raise UsageError(f"--split is test, train or all, not {self.split}")

    def count(self, there: int) -> int:
        """Samples and real images to take, where `there` real ones are."""
        return self.n or min(max(there, USUAL), MOST)


@dataclass(frozen=True)
class EvaluationInputs:
    """What is measured, against what, and what the protocol tells of both."""

    samples: RowView
    reference: Reference
    classes: tuple[str, ...]
    about: dict[str, Any]
    """Of the samples."""
    about_data: dict[str, Any]
    data: Dataset | None = None
    """None for a table."""
    run: Run | None = None
    notes: tuple[str, ...] = ()
    """What should be told before any figure."""


def case_of(
    samples: Source | Run,
    data: Source | None,
    asked: EvaluationRequest,
    generator: nn.Module | None,
    progress: Progress,
) -> EvaluationInputs:
    """The case that these words mean; raises UsageError where they mean none."""
    if isinstance(samples, Run):
        samples = samples.path
    for given in (samples, data if data is not None else ""):
        if not isinstance(given, str | Path | np.ndarray):
            raise UsageError(f"samples and data are paths, names or NumPy arrays, not {type(given).__name__}")
    if not isinstance(samples, np.ndarray):
        run = Run(samples)
        if run.exists or saved_players(run.path):
            return _of_run(run, data, asked, generator, progress)
    if data is None:
        raise UsageError("--data SOURCE is needed: the real data to hold the samples against")
    if asked.checkpoint is not None or asked.raw or asked.truncation is not None:
        raise UsageError(f"--checkpoint, --raw and --truncation are for runs: {_named(samples)} is none")
    if (table := _table(samples)) is not None:
        return _of_table(table, _named(samples), data, asked)
    if isinstance(data, np.ndarray):
        raise UsageError("data as an array are a table [N, F], and so must the samples be; images come as a SOURCE")
    return _of_files(samples, data, asked, progress)


def _of_run(
    run: Run, source: Source | None, asked: EvaluationRequest, generator: nn.Module | None, progress: Progress
) -> EvaluationInputs:
    if asked.size is not None or asked.mode is not None:
        raise UsageError(f"--size and --mode are for samples of other tools: {run.path} has those it was trained in")
    model = load_generator(run.path, generator, checkpoint=asked.checkpoint, raw=asked.raw, truncation=asked.truncation)
    spec, settings = model.spec, run.settings if run.exists else None
    if isinstance(source, np.ndarray) or (source is None and settings is None):
        raise UsageError("--data SOURCE is needed: the real data to hold the samples against")
    own = settings["data"]["source"] if settings else ""
    source = source if source is not None else own
    # as `train` opens them: where that chooses the run's shape by itself, the net trained on them serves both
    given = settings["asked"] if settings else {"size": None, "mode": None}
    try:
        data = open_images(source, tuple(given["size"] or ()) or None, given["mode"], progress.callback("reading"))
    except SparringError as error:
        if source != own:
            raise
        raise type(error)(f"{error}. The run's data lay there: --data SOURCE says where they are now") from error
    shape = (spec.height, spec.width, spec.channels)
    if data.report.shape != shape:
        data = open_images(source, shape[:2], mode_of(spec.channels), progress.callback("reading"))
    if data.report.shape != shape:
        raise UsageError(
            f"{source} has {data.report.shape[2]} channels, the samples of {run.path} have {spec.channels}: "
            "evaluate against the data that it was trained on"
        )
    splits = data.report.splits
    count = asked.count(splits["test"] if asked.split in (None, "test") and splits["test"] else len(data))
    check_memory(count, shape)
    reference = reference_of(data, count, asked.split, asked.seed)
    told = progress.callback("sampling")
    about = _about(str(run.path), "run", count, asked)
    about |= {"checkpoint": _checkpoint(asked), "weights": "raw" if asked.raw else "average"}
    about |= {"truncation": asked.truncation}
    rows = of_model(model, count, asked.seed, told)
    rows = _renamed(rows, spec.classes, data.spec.classes)
    notes = tuple(data.report.notes)
    if settings is not None and settings["data"]["fingerprint"] != data.fingerprint:
        notes += ("these are not the data that the run was trained on: copies of those would not be seen",)
    return EvaluationInputs(rows, reference, data.spec.classes, about, _told(data, reference), data, run, notes)


def _checkpoint(asked: EvaluationRequest) -> str:
    if asked.checkpoint is not None:
        return str(asked.checkpoint)
    return "last" if asked.raw else "generator.safetensors"


def _of_files(samples: Source, source: str | Path, asked: EvaluationRequest, progress: Progress) -> EvaluationInputs:
    size, on_progress = parse_size(asked.size), progress.callback("reading")
    classes: tuple[str, ...]
    if isinstance(samples, np.ndarray):
        if samples.ndim != 4 or samples.dtype != np.uint8:
            raise UsageError(
                f"samples as an array are uint8 [N, H, W, C] or a table [N, F], not {samples.dtype} {list(samples.shape)}"
            )
        if asked.size is not None or asked.mode is not None:
            raise UsageError("size and mode are for samples in files: an array is taken as it is, and the data like it")
        data = open_images(source, (samples.shape[1], samples.shape[2]), mode_of(samples.shape[3]), on_progress)
        if data.report.shape != samples.shape[1:]:
            raise UsageError(f"the samples have {samples.shape[3]} channels, {source} has {data.report.shape[2]}")
        rows, classes = of_array(samples), ()
    else:
        made, data = open_pair(samples, source, size, asked.mode, on_progress)
        rows, classes = of_images(made.split(None)), made.spec.classes
    count = min(asked.count(len(rows)), len(rows))
    if len(rows) < 16:
        raise SparringError(f"{_named(samples)} holds {len(rows)} samples: 16 or more are needed, 10,000 are usual")
    if asked.n is not None and asked.n > len(rows):
        raise UsageError(f"{_named(samples)} holds {len(rows):,} samples: -n {asked.n} is more than there are")
    # files may lie class by class
    rows = rows.take(np.random.default_rng([asked.seed, 9]).permutation(len(rows))[:count])
    about = _about(_named(samples), "images", count, asked)
    reference = reference_of(data, count, asked.split, asked.seed)
    rows = _renamed(rows, classes, data.spec.classes)
    notes = tuple(data.report.notes)
    if left := 0 if isinstance(samples, np.ndarray) else sum(map(len, made.report.skipped.values())):
        notes += (
            f"{left:,} of the samples' files are left out: `sparring inspect {_named(samples)}` tells which and why",
        )
    return EvaluationInputs(rows, reference, data.spec.classes, about, _told(data, reference), data, notes=notes)


def _about(source: str, kind: str, count: int, asked: EvaluationRequest) -> dict[str, Any]:
    """What the protocol tells of samples; a run adds its weights."""
    unknown = dict.fromkeys(("checkpoint", "weights", "truncation"))
    return {"source": source, "kind": kind, "n": count, "seed": asked.seed, **unknown}


def _told(data: Dataset, reference: Reference) -> dict[str, Any]:
    """What the protocol tells of the real data."""
    report = data.report
    height, width, _ = report.shape
    scaled = {shape.split()[0] for shape in report.shapes_found} != {f"{height}x{width}"}
    return {
        "source": report.source, "fingerprint": report.fingerprint, "split": reference.split,
        "n": len(reference.real), "size": f"{height}x{width}", "mode": report.mode,
        "resize": "Lanczos, to cover, centre cut" if scaled else None,
        "floor": {"n": [len(rows) for rows in reference.floor], "rows": reference.floor_of},
    }  # fmt: skip


def _renamed(rows: RowView, theirs: tuple[str, ...], ours: tuple[str, ...]) -> RowView:
    """Labels by the classes of the data, by their names; those that the data do not have become -1."""
    if theirs == ours:
        return rows
    if not theirs:  # clusters of the generator's own are no classes of the data
        return RowView(rows.fetch, np.full(len(rows), -1))
    number = np.array([*(ours.index(name) if name in ours else -1 for name in theirs), -1])
    return RowView(rows.fetch, number[rows.labels])


def _named(source: Source) -> str:
    return "an array" if isinstance(source, np.ndarray) else str(source)


Table = dict[str, NDArray[np.float64]]
"""`train`, and `test` where there are held-out rows; `[N, F]` each."""
FARTHEST = 1e6
"""Standard deviations: values beyond are no data of this table."""


def _of_table(made: Table, name: str, data: Source, asked: EvaluationRequest) -> EvaluationInputs:
    """Rows of values, standardised by the data's training rows (contracts of DESIGN: tables)."""
    if asked.size is not None or asked.mode is not None:
        raise UsageError(f"--size and --mode are for images: {name} is a table")
    real = _table(data)
    if real is None:
        raise UsageError(f"{name} is a table [N, F]: --data must be one too, an array or a .npy or .npz of numbers")
    train, test = real["train"], real.get("test")
    if asked.split == "test" and test is None:
        raise UsageError(f"{_named(data)} has no test split (x_test): leave --split out")
    held_out = test is not None and asked.split in (None, "test")
    samples = _rows_of_table(made["train"], name, train.shape[1])
    mean, scale = train.mean(0), train.std(0)
    scale[scale == 0] = 1

    def standard(rows: NDArray[np.float64], whose: str) -> RowView:
        standardised = (rows - mean) / scale
        if not np.abs(standardised).max() <= FARTHEST:
            raise SparringError(
                f"{whose} holds values that are {FARTHEST:,.0f} standard deviations of the data away and more"
            )
        return of_array(standardised.astype(np.float32))

    training = standard(_rows_of_table(train, _named(data), train.shape[1]), _named(data))
    fresh = (
        standard(_rows_of_table(test, f"x_test of {_named(data)}", train.shape[1]), _named(data))
        if test is not None
        else None
    )
    whole = fresh if fresh is not None and held_out else training
    if asked.n is not None and asked.n > len(samples):
        raise UsageError(f"{name} holds {len(samples):,} rows: -n {asked.n} is more than there are")
    count = min(asked.count(len(whole)), len(samples))
    order = np.random.default_rng([asked.seed, 7]).permutation(len(whole))
    others = np.random.default_rng([asked.seed, 8]).permutation(len(training))[:count]
    halves = np.array_split(order[: 2 * count], 2)
    chosen = whole.take(order[:count])
    floor = (training.take(others), chosen) if held_out else (whole.take(halves[0]), whole.take(halves[1]))
    floor_of = "training rows against the reference" if held_out else "one half of the reference against the other"
    reference = Reference(chosen, floor, at_most(TRAINING, training), fresh, "test" if held_out else "train", floor_of)
    about_data = {
        "source": _named(data), "split": reference.split, "n": len(chosen), "columns": train.shape[1], "resize": None,
        "scale": "mean 0 and variance 1 over the training rows",
        "floor": {"n": [len(rows) for rows in floor], "rows": floor_of},
    }  # fmt: skip
    some = np.random.default_rng([asked.seed, 9]).permutation(len(samples))[:count]
    return EvaluationInputs(
        standard(samples, name).take(some), reference, (), _about(name, "table", count, asked), about_data
    )


def _rows_of_table(rows: NDArray[np.float64], whose: str, columns: int) -> NDArray[np.float64]:
    """The rows, if they are 16 or more finite ones of so many columns."""
    if rows.ndim != 2 or rows.shape[1] != columns or columns == 0:
        raise UsageError(f"{whose} is {list(rows.shape)}, the data have {columns} columns")
    if len(rows) < 16:
        raise SparringError(f"{whose} holds {len(rows)} rows: 16 or more are needed, thousands are usual")
    if not np.isfinite(rows).all():
        raise SparringError(f"{whose} holds values that are no finite numbers (NaN or infinity): mend it first")
    return rows


def _table(source: Source) -> Table | None:
    """The rows of an array `[N, F]`, in memory or in a .npy or .npz file; None where it is none."""
    if isinstance(source, np.ndarray):
        return _as_table({"x": source})
    if not str(source).lower().endswith((".npy", ".npz")) or not Path(source).is_file():
        return None
    try:
        loaded = np.load(source, allow_pickle=False)
        named = {"x": loaded} if isinstance(loaded, np.ndarray) else {k.lower(): loaded[k] for k in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # the reader of images will say what is wrong
        return None
    return _as_table(named)


def _as_table(named: dict[str, NDArray[Any]]) -> Table | None:
    train = next((named[name] for name in ("x_train", "x", "arr_0") if name in named), None)
    if train is None or train.ndim != 2:
        return None
    parts = {"train": train} | ({"test": named["x_test"]} if "x_test" in named else {})
    for name, rows in parts.items():
        if rows.dtype.kind not in "fiub":
            raise UsageError(f"the {name} rows of a table are {rows.dtype}: real numbers are needed")
    return {name: rows.astype(np.float64) for name, rows in parts.items()}
