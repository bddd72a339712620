"""`sparring encode`: features of new examples by a trained model, for other tools and for an audit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sparring.commands.predict import open_like
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset
from sparring.engine.atomic_io import atomic_replace, explain_os_errors
from sparring.engine.errors import UsageError
from sparring.models.capabilities import Encoder
from sparring.models.classifier import chunks_of
from sparring.models.load import load_capable

FORMATS = (".npy", ".npz")


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
    out: str | Path = "features.npy",
    resize: bool = False,
    net: nn.Module | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Write the features that the model of `run` gives each example of `source`, in the source's order.

    Examples are read as `predict` reads them; one-hot codes become their numbers. `out` ends in .npy or .npz. `net` is
    the network of a run with custom networks. Raises UsageError where `run` has no model with features or `source` does
    not fit it, SparringError where files cannot be used.
    """
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {path}: features are written as .npy or .npz")
    model = load_capable(run, Encoder, net=net)
    data = open_like(model, source, resize=resize)
    if not len(data):
        raise UsageError(f"{source} holds no example that can be read: `sparring inspect {source}` lists the reasons")
    chunks = (progress or Progress()).track("encoding", list(chunks_of(np.arange(len(data)))), data.report.unit)
    rows = [np.asarray(model.encode(model.spec.encode(data[idx])).cpu().numpy()) for idx in chunks]
    features = np.concatenate(rows)
    features = _numbers_of_codes(features.reshape(len(features), -1))
    _write(path, features, data)
    finite = features.dtype.kind in "iu"
    return Encoded(path, len(features), features.shape[1], finite, data.skipped, data.notes)


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
            arrays = {"features": features, "names": np.array(list(data.names))}
            if (data.labels >= 0).any():
                arrays["labels"] = np.array([*data.spec.classes, ""])[data.labels]
            if data.groups is not None:
                arrays["groups"] = np.array([*data.spec.groups, ""])[data.groups]
            np.savez(file, **arrays)  # type: ignore[arg-type]


def to_text(result: Encoded) -> str:
    """Return a line on the file, and the notes."""
    what = "codes (whole numbers)" if result.finite else "features"
    lines = [f"{result.path}: {result.count:,} rows of {result.width:,} {what}"]
    lines += [f"note     {note}" for note in result.notes]
    lines += [f"skipped  {name}: {reason}" for reason, names in result.skipped.items() for name in names]
    return "\n".join(lines)
