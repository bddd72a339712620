"""Open what `sparring evaluate` compares: samples of a run, a file or an array, and real data of the same kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.evaluating.row_views import (
    OnProgress,
    Reference,
    RowView,
    Split,
    as_observed,
    of_array,
    of_dataset,
    of_model,
    reference_of,
)
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset, SourceReport
from sparring.data.images.shape import parse_size
from sparring.data.open import guess_kind, open_source
from sparring.data.read_keywords import read_options
from sparring.data.reader_api import MODES, ReadOptions, mode_of
from sparring.data.resolve import is_missing
from sparring.data.store import store_for
from sparring.data.summary import summary
from sparring.engine.data_spec import KINDS, AudioSpec, DataSpec, ImageSpec, PairSpec, SeriesSpec, TableSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.engine.seeds import check_seed
from sparring.measure.features.features_for import check_scored, values_for
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.models.load_generator import load_generator
from sparring.models.saved import saved_players
from sparring.nets.mel_codec import codec_for

MIN_DEFAULT, MAX_DEFAULT = 1_000, 10_000
"""Limits of the default number of samples, which is the number of real rows."""
MIN_SAMPLES = 16

Source = str | Path | NDArray[Any]


@dataclass(frozen=True)
class EvaluationRequest:
    """Settings of an evaluation."""

    n: int | None = None
    """Number of samples and of real rows."""
    seed: int = 0
    """Random seed."""
    split: Split | None = None
    """Split of the data."""
    size: str | tuple[int, int] | None = None
    """Height and width of the images."""
    mode: str | None = None
    """Mode of the images."""
    label: str | None = None
    """Column of the class in a table."""
    checkpoint: str | int | None = None
    """Checkpoint of the run."""
    raw: bool = False
    """Whether to use the raw weights instead of the averaged ones."""
    truncation: float | None = None
    """Truncation of the latents."""

    def __post_init__(self) -> None:
        if self.n is not None and not (isinstance(self.n, int) and self.n >= MIN_SAMPLES):
            raise UsageError(f"-n must be a whole number of {MIN_SAMPLES} or more, not {self.n}")
        check_seed(self.seed)
        if self.split not in (None, "test", "train", "all"):
            raise UsageError(f"--split is test, train or all, not {self.split}")

    def count(self, available: int) -> int:
        """Return the number of samples and real rows to use, where `available` real rows exist."""
        return self.n or min(max(available, MIN_DEFAULT), MAX_DEFAULT)


@dataclass(frozen=True)
class EvaluationInputs:
    """Samples and real data, and what the protocol says about both."""

    stored: RowView
    """Samples as they are stored."""
    stored_reference: Reference
    """Real data as they are stored."""
    samples: RowView
    """Samples as the values that scores compare."""
    reference: Reference
    """Real data as values."""
    data: Dataset
    """Real data, training split."""
    about: dict[str, Any]
    """Protocol of the samples."""
    about_data: dict[str, Any]
    """Protocol of the real data."""
    run: Run | None = None
    notes: tuple[str, ...] = ()
    """Remarks on the data."""
    model: GeneratorModel | None = None
    """Model that generated the samples."""

    @property
    def spec(self) -> Any:
        """`DataSpec` of the data."""
        return self.data.spec


def read_inputs(
    samples: Source | Run,
    source: str | Path | None,
    request: EvaluationRequest,
    generator: nn.Module | None,
    progress: Progress,
) -> EvaluationInputs:
    """Open samples and data; raises UsageError where they or the request do not fit together."""
    samples = samples.path if isinstance(samples, Run) else samples
    if not isinstance(samples, str | Path | np.ndarray) or not isinstance(source, str | Path | None):
        wrong = source if isinstance(samples, str | Path | np.ndarray) else samples
        raise UsageError(
            f"samples are a path, a name or a NumPy array, data a path or a name, not {type(wrong).__name__}"
        )
    if not isinstance(samples, np.ndarray):
        run = Run(samples)
        if run.exists or saved_players(run.path):
            return _of_run(run, source, request, generator, progress)
        if is_missing(str(samples)):
            raise UsageError(
                f"there is no '{samples}': give a run folder, or samples in a folder, an archive or a file"
            )
    if source is None:
        raise UsageError("--data SOURCE is needed: the real data to compare the samples with")
    if request.checkpoint is not None or request.raw or request.truncation is not None:
        raise UsageError(f"--checkpoint, --raw and --truncation are for runs, and {_name(samples)} is not a run")
    return _of_source(samples, source, request, progress)


def _of_run(
    run: Run, source: str | Path | None, request: EvaluationRequest, generator: nn.Module | None, progress: Progress
) -> EvaluationInputs:
    if any(value is not None for value in (request.size, request.mode, request.label)):
        raise UsageError(
            f"--size, --mode and --label are for samples of other tools: {run.path} has those of its training data"
        )
    model = load_generator(
        run.path, generator, checkpoint=request.checkpoint, raw=request.raw, truncation=request.truncation
    )
    settings = run.settings if run.exists else None
    if source is None and settings is None:
        raise UsageError("--data SOURCE is needed: the real data to compare the samples with")
    own = settings["data"]["source"] if settings else ""
    source = source if source is not None else own
    trained_with = settings["request"]["read"] if settings else {"size": None, "mode": None}
    try:
        data = open_as_trained(model.spec, source, trained_with, progress.callback("reading"))
    except SparringError as error:
        if source != own:
            raise
        raise type(error)(f"{error}. The run was trained on it: --data SOURCE says where the data are now") from error
    if data.spec.shape != model.spec.shape:
        raise UsageError(
            f"{source} has examples of shape {list(data.spec.shape)}, samples of {run.path} have "
            f"{list(model.spec.shape)}: evaluate against the data that it was trained on"
        )
    progress.info(summary(data.report))
    splits = data.report.splits
    count = request.count(splits["test"] if request.split in (None, "test") and splits["test"] else len(data))
    reference = reference_of(data, count, request.split, request.seed)
    if isinstance(model, DensityModel):
        reference = reference.map_views(partial(as_observed, model))
    stored = _with_labels_of(
        of_model(model, count, request.seed, progress.callback("sampling", model.spec.plural)), model.spec.classes, data
    )
    checkpoint = str(request.checkpoint) if request.checkpoint is not None else "last" if request.raw else ""
    about = _about(str(run.path), "run", count, request) | {
        "checkpoint": checkpoint or "generator.safetensors",
        "weights": "raw" if request.raw else "average",
        "truncation": request.truncation,
    }
    notes = tuple(data.report.notes)
    if settings is not None and settings["data"]["fingerprint"] != data.fingerprint:
        notes += ("the run was trained on other data: copies of those are not detected",)
    return replace(_inputs(stored, reference, data, about, notes, run), model=model)


@singledispatch
def open_as_trained(
    spec: DataSpec, source: str | Path, trained_with: dict[str, Any], on_progress: OnProgress
) -> Dataset:
    """Open real data as the training data of a model with this `spec` were opened."""
    return open_source(source, like=spec, on_progress=on_progress)


@open_as_trained.register
def _(spec: ImageSpec, source: str | Path, trained_with: dict[str, Any], on_progress: OnProgress) -> Dataset:
    """Open by the run's own settings: where these choose the shape, the cache and the feature net serve both."""
    size = tuple(trained_with["size"] or ()) or None
    kept: dict[str, Any] = {name: trained_with.get(name) for name in ("label", "label_from", "part")}
    options = ReadOptions(size=size, mode=trained_with["mode"], **kept)
    data = open_source(source, options, on_progress=on_progress)
    if data.spec.shape != spec.shape:
        options = ReadOptions(size=(spec.height, spec.width), mode=mode_of(spec.channels), **kept)
        data = open_source(source, options, on_progress=on_progress)
    return _scaled_like(spec, data, source, on_progress, keep_duplicates=False)


@open_as_trained.register
def _(spec: SeriesSpec, source: str | Path, trained_with: dict[str, Any], on_progress: OnProgress) -> Dataset:
    """Open by the run's own settings: windows start where they did in training, and copies of them are found."""
    kept = {name: trained_with.get(name) for name in ("time", "window", "hop", "code", "delimiter")}
    kept |= {name: tuple(trained_with.get(name) or ()) for name in ("names", "drop")}
    options = ReadOptions(**(kept | {"kind": spec.kind, "window": kept["hop"] and spec.length}))
    return open_source(source, options, on_progress=on_progress)


@open_as_trained.register
def _(spec: PairSpec, source: str | Path, trained_with: dict[str, Any], on_progress: OnProgress) -> Dataset:
    """Open both sources by the run's own settings."""
    return open_source(source, read_options(trained_with), on_progress=on_progress)


def _scaled_like(
    spec: ImageSpec, data: Dataset, source: str | Path, on_progress: OnProgress, *, keep_duplicates: bool
) -> Dataset:
    """Return images of the shape of `spec`, opened again where their values were read by another scale than its."""
    if data.spec.scale == spec.scale or data.spec.shape != spec.shape:
        return data
    options = ReadOptions(resize=True)
    return open_source(source, options, like=spec, keep_duplicates=keep_duplicates, on_progress=on_progress)


def _of_source(samples: Source, source: str | Path, request: EvaluationRequest, progress: Progress) -> EvaluationInputs:
    on_progress = progress.callback("reading")
    options = ReadOptions(size=parse_size(request.size), mode=request.mode, label=request.label)
    check_scored(kind := guess_kind(source, options))
    classes: tuple[str, ...] = ()
    skipped, remarks = 0, list[str]()
    if isinstance(samples, np.ndarray):
        data = _open_like_array(samples, source, options, on_progress)
        stored = of_array(samples.astype(store_for(data.spec).dtype))
    else:
        is_array = str(samples).endswith((".npy", ".npz"))  # rows of numbers, often without the class
        options = replace(options, whole=kind == TableSpec.kind and not is_array)
        data = open_source(source, options, on_progress=on_progress)
        _check_same_kind(samples, guess_kind(samples, options, data.spec), data)
        fake = open_samples(data.spec, samples, data, options, on_progress)
        stored, classes, skipped = of_dataset(fake.split(None)), fake.spec.classes, sum(map(len, fake.skipped.values()))
        remarks = [f"samples: {note}" for note in fake.notes if note not in data.notes]
    progress.info(summary(data.report))
    available = len(stored)
    if available < MIN_SAMPLES:
        raise SparringError(
            f"{_name(samples)} holds {available} samples: {MIN_SAMPLES} or more are needed, 10,000 are usual"
        )
    if request.n is not None and request.n > available:
        raise UsageError(f"{_name(samples)} holds {available:,} samples, fewer than -n {request.n}")
    count = min(request.count(available), available)
    # files may be sorted by class
    stored = stored.take(np.random.default_rng([request.seed, 9]).permutation(available)[:count])
    reference = reference_of(data, count, request.split, request.seed)
    notes = (*data.notes, *remarks)
    if skipped:
        notes += (f"{skipped:,} of the samples are skipped: `sparring inspect {_name(samples)}` lists the reasons",)
    about = _about(_name(samples), "samples", count, request)
    return _inputs(_with_labels_of(stored, classes, data), reference, data, about, notes)


def _open_like_array(
    samples: NDArray[Any], source: str | Path, options: ReadOptions, on_progress: OnProgress
) -> Dataset:
    """Open data in the shape of an array of samples; raises UsageError where they are of another shape."""
    if options.size is not None or options.mode is not None:
        raise UsageError("size and mode are for samples in files: the data are read in the shape of an array")
    if samples.ndim == 4 and samples.dtype == np.uint8:
        if options.label is not None:
            raise UsageError("label is for tables, and the array holds images: leave it out")
        options = ReadOptions(size=samples.shape[1:3], mode=mode_of(samples.shape[3]))
        data = open_source(source, options, on_progress=on_progress)
    elif samples.dtype.kind in "fiub" and samples.ndim in (2, 3):
        data = open_source(source, options, on_progress=on_progress)
    else:
        raise UsageError(
            "samples in an array are uint8 images [N, H, W, C], table rows [N, F] or series [N, C, T], not "
            f"{samples.dtype} {list(samples.shape)}"
        )
    if samples.shape[1:] != store_for(data.spec).row_shape:
        raise UsageError(
            f"the samples have the shape {list(samples.shape)}, {source} has {data.spec.plural} of the shape "
            f"[N, {', '.join(map(str, store_for(data.spec).row_shape))}]"
        )
    return data


@singledispatch
def open_samples(
    spec: DataSpec, samples: str | Path, data: Dataset, options: ReadOptions, on_progress: OnProgress
) -> Dataset:
    """Open samples in the form of `data`, whose spec this is; equal samples all count."""
    return open_source(samples, like=spec, keep_duplicates=True, on_progress=on_progress)


@open_samples.register
def _(spec: ImageSpec, samples: str | Path, data: Dataset, options: ReadOptions, on_progress: OnProgress) -> Dataset:
    """Open images; raises UsageError that names both shapes where they differ: images are not resized by default."""
    fake = open_source(samples, options, keep_duplicates=True, on_progress=on_progress)
    _check_same_kind(samples, fake.spec.kind, data)
    if fake.report.shape != data.report.shape:
        there, here = (f"{'x'.join(map(str, r.shape[:2]))} {r.mode}" for r in (fake.report, data.report))
        if fake.report.shape[2] != data.report.shape[2] and fake.report.mode not in MODES:
            raise UsageError(f"the samples are {there}, the data are {here}: they cannot be brought to one shape")
        flags = f"--size {'x'.join(map(str, fake.report.shape[:2]))}" * (fake.report.shape[:2] != data.report.shape[:2])
        flags += f" --mode {fake.report.mode}" * (fake.report.mode != data.report.mode)
        raise UsageError(f"the samples are {there}, the data are {here}: {flags.strip()} brings both to one shape")
    return _scaled_like(spec, fake, samples, on_progress, keep_duplicates=True)


def _check_same_kind(samples: str | Path, kind: str, data: Dataset) -> None:
    if kind != data.spec.kind:
        raise UsageError(
            f"{samples} holds {KINDS[kind].plural}, {data.report.source} holds {data.spec.plural}: "
            "give samples and data of one kind"
        )


def _inputs(
    stored: RowView,
    reference: Reference,
    data: Dataset,
    about: dict[str, Any],
    notes: tuple[str, ...],
    run: Run | None = None,
) -> EvaluationInputs:
    """Turn stored rows into the values that scores compare."""
    values = values_for(data.spec, lambda: of_dataset(data.split("train")).chunks())
    about_data = {
        "source": data.report.source, "fingerprint": data.report.fingerprint, "split": reference.split,
        "n": len(reference.real), **_form(data.spec, data.report),
        "real_baseline": {"n": [len(rows) for rows in reference.real_pair], "rows": reference.pair_rows},
    }  # fmt: skip
    return EvaluationInputs(
        stored, reference, stored.map(values), reference.map(values), data, about, about_data, run, notes
    )


@singledispatch
def _form(spec: DataSpec, report: SourceReport) -> dict[str, Any]:
    """Return what the protocol says about the form of the rows."""
    scale = "mean 0 and variance 1 over the training rows"
    return {"shape": list(spec.shape), "scale": scale, "resize": None}


@_form.register
def _(spec: AudioSpec, report: SourceReport) -> dict[str, Any]:
    _, bands, frames = codec_for(spec).shape
    form = f"log-mel spectrograms, {bands} bands, {frames} frames"
    return {"rate": spec.rate, "seconds": round(spec.length / spec.rate, 3), "scale": form, "resize": None}


@_form.register
def _(spec: ImageSpec, report: SourceReport) -> dict[str, Any]:
    size = f"{spec.height}x{spec.width}"
    scaled = {shape.split()[0] for shape in report.shapes_found} != {size}
    return {"size": size, "mode": report.mode, "resize": "Lanczos, to cover, centre crop" if scaled else None}


def _about(source: str, kind: str, count: int, request: EvaluationRequest) -> dict[str, Any]:
    """Return what the protocol says about samples; a run adds its weights."""
    unknown = dict.fromkeys(("checkpoint", "weights", "truncation"))
    return {"source": source, "kind": kind, "n": count, "seed": request.seed, **unknown}


def _with_labels_of(samples: RowView, classes: tuple[str, ...], data: Dataset) -> RowView:
    """Match the samples' labels to the classes of the data, by name; classes that the data do not have become -1."""
    if classes == data.spec.classes:
        return samples
    if not classes:  # a generator's own clusters are not classes of the data
        return replace(samples, labels=np.full(len(samples), -1))
    names = data.spec.classes
    number = np.array([*(names.index(name) if name in names else -1 for name in classes), -1])
    return replace(samples, labels=number[samples.labels])


def _name(source: Source) -> str:
    return "an array" if isinstance(source, np.ndarray) else str(source)
