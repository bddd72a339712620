"""`sparring encode`: features of new examples by a trained model, or what an obfuscator puts in their place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.commands.sampling.folder import write_folder, write_new
from sparring.commands.sampling.formats import csv_of, formats_of
from sparring.data.dataset import Dataset
from sparring.data.labels import labels_as
from sparring.engine.atomic_io import atomic_replace, explain_os_errors
from sparring.engine.errors import UsageError
from sparring.models.capabilities import Encoder, Model, Obfuscates
from sparring.models.classifier import chunks_of
from sparring.models.load import load_capable, saved_capabilities

FORMATS = (".npy", ".npz")


@dataclass(frozen=True)
class Obfuscated:
    """Examples in place of all those of a source, and where they were written."""

    path: Path
    """Folder or file."""
    count: int
    """Number of examples."""
    kind: str
    """What several examples are called."""
    skipped: dict[str, list[str]]
    """Reason -> names of files or lines that could not be read."""
    notes: list[str]
    """Remarks on how the source was read."""


@dataclass(frozen=True)
class Encoded:
    """Features of all examples of a source, and where they were written."""

    path: Path
    """File: `.npy` holds the features `[N, d]`; `.npz` also `names`, `labels` and `groups`, as far as there are any."""
    count: int
    """Number of examples N."""
    width: int
    """Number of features d."""
    finite: bool
    """Whether the features are numbers of codes, of which there are finitely many."""
    skipped: dict[str, list[str]]
    """Reason -> names of files or lines that could not be read."""
    notes: list[str]
    """Remarks on how the source was read."""


def encode(
    run: str | Path,
    source: str | Path,
    *,
    out: str | Path | None = None,
    resize: bool = False,
    seed: int | None = None,
    protect: str | None = None,
    protect_from: str | None = None,
    net: nn.Module | None = None,
    progress: Progress | None = None,
) -> Encoded | Obfuscated:
    """Write the features that the model of `run` gives each example of `source`, in the source's order.

    Examples are read as `predict` reads them; one-hot codes become their numbers. `out` ends in .npy or .npz. A .npz
    holds groups where `protect` names their column, or `protect_from` their place in the names of files. `net` is the
    network of a run with custom networks. The model of `sparring obfuscate` gives examples of the same kind. They
    are written as `sample` writes samples; their noise is from the operating system unless `seed` is given. Raises
    UsageError where `run` has no such model or `source` does not fit it, SparringError where files cannot be used.
    """
    if (protect or protect_from) and (out is None or Path(out).suffix.lower() != ".npz"):
        raise UsageError(f"--protect{'' if protect else '-from'}: a .npz file holds groups, add --out NAME.npz")
    opened = partial(_opened, source=source, resize=resize, protect=protect, protect_from=protect_from)
    if "Obfuscates" in itertools.chain(*saved_capabilities(run).values()):
        return _replaced(run, opened, out, seed, progress or Progress())
    if seed is not None:
        raise UsageError("--seed is for obfuscators: features have no noise, leave it out")
    path = Path(out if out is not None else "features.npy")
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {path}: features are written as .npy or .npz")
    model = load_capable(run, Encoder, net=net)
    data = opened(model)
    chunks = (progress or Progress()).track("encoding", list(chunks_of(np.arange(len(data)))), data.report.unit)
    rows = [np.asarray(model.encode(model.spec.encode(data[idx])).cpu().numpy()) for idx in chunks]
    features = np.concatenate(rows)
    features = _numbers_of_codes(features.reshape(len(features), -1))
    _write(path, features, data)
    finite = features.dtype.kind in "iu"
    return Encoded(path, len(features), features.shape[1], finite, data.skipped, data.notes)


def _replaced(
    run: str | Path,
    opened: Callable[[Model], Dataset],
    out: str | Path | None,
    seed: int | None,
    progress: Progress,
) -> Obfuscated:
    """Write what an obfuscator puts in the place of each example that `opened` reads."""
    model = load_capable(run, Obfuscates)
    spec: Any = model.spec
    suffixes = formats_of(spec)
    path = Path(out) if out is not None else Path(f"obfuscated{'' if '' in suffixes else suffixes[0]}")
    if path.suffix.lower() not in suffixes or path.suffix.lower() == ".png":
        known = ", ".join(suffix or "a folder" for suffix in suffixes if suffix != ".png")
        raise UsageError(f"--out {path}: {spec.plural} are written as {known}")
    data = opened(model)
    chunks = progress.track("obfuscating", list(chunks_of(np.arange(len(data)))), data.report.unit)
    seeds = itertools.count(seed) if seed is not None else itertools.repeat(None)
    rows = np.concatenate([model.obfuscate(data[idx], each) for idx, each in zip(chunks, seeds, strict=False)])
    if not path.suffix:
        words = _words(spec.classes, labels_as(spec.classes, data))
        path = write_folder(spec, iter([rows]), words, path, f"obfuscated by {Path(run).resolve().name}")
    elif path.suffix.lower() == ".csv":  # a class that the model does not know stays that of the source
        path = write_new(path, csv_of(spec, rows, _words(data.spec.classes, data.labels)).encode())
    else:
        with explain_os_errors(path), atomic_replace(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **_arrays("examples", rows, data))  # type: ignore[arg-type]
    return Obfuscated(path, len(data), data.report.unit, data.skipped, data.notes)


def _words(classes: Sequence[str], labels: NDArray[np.int64]) -> list[str]:
    """Return the name of each of the labels `[N]`, an empty text for -1."""
    return [classes[k] if k >= 0 else "" for k in labels.tolist()]


def _opened(model: Model, source: str | Path, **options: Any) -> Dataset:
    """Return the examples of a source, by options of `open_like`; raise UsageError where none can be read."""
    data = open_like(model, source, **options)
    if data.groups is None and (options["protect"] or options["protect_from"]):
        flag = "--protect" if options["protect"] else "--protect-from"
        raise UsageError(f"{flag}: no groups are read from {source} for this model: leave {flag} out")
    if not len(data):
        raise UsageError(f"{source} holds no example that can be read: `sparring inspect {source}` lists the reasons")
    return data


def _arrays(name: str, values: NDArray[Any], data: Dataset) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file: the values, names, and labels and groups as far as there are any."""
    arrays = {name: values, "names": np.array(list(data.names))}
    if (data.labels >= 0).any():
        arrays["labels"] = np.array([*data.spec.classes, ""])[data.labels]
    if data.groups is not None:
        arrays["groups"] = np.array([*data.spec.groups, ""])[data.groups]
    return arrays


def _numbers_of_codes(features: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers of codes `[N, 1]` where the features `[N, d]` are one-hot codes; else the features."""
    is_binary = features.shape[1] > 1 and bool(np.isin(features, (0, 1)).all())
    if is_binary and bool((features.sum(1) == 1).all()):
        return np.asarray(features.argmax(1)[:, None])
    return features


def _write(path: Path, features: NDArray[Any], data: Dataset) -> None:
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_replace(path) as temporary, temporary.open("wb") as file:
            if path.suffix.lower() == ".npy":
                np.save(file, features)
                return
            np.savez(file, **_arrays("features", features, data))  # type: ignore[arg-type]


def to_text(result: Encoded | Obfuscated) -> str:
    """Return a line on the file, and the notes."""
    if isinstance(result, Obfuscated):
        lines = [f"{result.path}: {result.count:,} obfuscated {result.kind}"]
    else:
        what = "codes (whole numbers)" if result.finite else "features"
        lines = [f"{result.path}: {result.count:,} rows of {result.width:,} {what}"]
    lines += [f"note     {note}" for note in result.notes]
    lines += [f"skipped  {name}: {reason}" for reason, names in result.skipped.items() for name in names]
    return "\n".join(lines)
