"""Nearest training images of a sample: a search in coarse pixels, then by all pixels among the candidates."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.commands.solving.checks import simple_features
from sparring.commands.training.run_settings import open_run_data
from sparring.data.dataset import Dataset
from sparring.data.files.download import is_url
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.measure.scores.knn import nearest_neighbours
from sparring.studio.views import has_pixels, views

COUNT = 6
"""Training images that are shown."""
CANDIDATES = 60
"""Images by coarse pixels that are compared by all pixels."""
MAX_ROWS = 100_000
"""Largest number of training images that are searched."""
CHUNK_ROWS = 1000


def nearest_examples(run: Run, spec: DataSpec, row: NDArray[Any]) -> dict[str, Any]:
    """Return the training images of a run that are nearest to a stored `row` `[1, H, W, C]`, as a page shows them.

    Distances are root mean square differences, in grey levels of 255. Raises UsageError where the training data are on
    the web or no images, SparringError where they are gone or have changed.
    """
    if not has_pixels(spec):
        raise UsageError(f"nearest examples are shown of images, not of {spec.plural}")
    data = training_data(run)
    coarse = _coarse(_Source(str(run.path), data.fingerprint, data))
    k = min(CANDIDATES, len(coarse))
    _, candidates = nearest_neighbours(torch.from_numpy(simple_features(spec, row)), coarse, k)
    idx = candidates[0].numpy()
    rows = data[idx]
    distance = np.sqrt(np.square(rows.astype(np.float64) - row).reshape(len(rows), -1).mean(1))
    best = np.argsort(distance, kind="stable")[:COUNT]
    classes, labels = data.spec.classes, data.labels[idx[best]]
    return {
        "views": views(spec, rows[best]), "distances": distance[best].round(2).tolist(),
        "labels": [classes[label] if 0 <= label < len(classes) else "" for label in labels.tolist()],
        "names": [data.names[int(n)] for n in idx[best]], "searched": len(coarse),
    }  # fmt: skip


def training_data(run: Run) -> Dataset:
    """Return the training data of a run: of what is on this machine, since a run folder may be a stranger's."""
    source = str(run.settings["data"]["source"])
    if is_url(source):
        raise UsageError(f"the training data are at {source}: the studio fetches nothing from the web")
    try:
        return open_run_data(run)
    except SparringError as error:
        raise SparringError(f"the training data are not there: {error}") from error


class _Source:
    """A data set as a key of the cache: equal where run and content are."""

    def __init__(self, path: str, fingerprint: str, data: Dataset) -> None:
        self.key, self.data = (path, fingerprint), data

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source) and self.key == other.key


@lru_cache(2)
def _coarse(source: _Source) -> Tensor:
    """Return coarse pixels `[N, d]` of the training images."""
    count = min(len(source.data), MAX_ROWS)
    chunks = [np.arange(k, min(k + CHUNK_ROWS, count)) for k in range(0, count, CHUNK_ROWS)]
    features = [simple_features(source.data.spec, source.data[idx]) for idx in chunks]
    return torch.from_numpy(np.concatenate(features))
