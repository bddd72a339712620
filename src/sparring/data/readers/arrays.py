"""Examples of any kind that a reader has as arrays of stored rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Skipped
from sparring.data.mmap_io import let_go
from sparring.data.reader_api import Example, RawDataset, ReadOptions, ReadResult
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import UsageError

if TYPE_CHECKING:
    from sparring.data.reader_api import Rows

CHUNK_ROWS = 256


@dataclass
class ArrayDataset(RawDataset):
    """Arrays `[N, ...]` of the rows that `store_for(spec)` lays out, with an example for each row."""

    format: str
    spec: DataSpec
    """Spec of the rows, without classes and count."""
    items: Sequence[Example]
    arrays: Sequence[NDArray[Any]]
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def unit(self) -> str:  # type: ignore[override]
        """The plural of the kind."""
        return self.spec.plural

    def plan(self, options: ReadOptions, like: DataSpec | None) -> DataSpec:
        """Return the spec, or that of `like` if given; raise UsageError where their shapes differ."""
        if like is None:
            return self.spec
        if like.shape != self.spec.shape:
            raise UsageError(
                f"{self.unit} are {list(self.spec.shape)}, those that the model was trained on {list(like.shape)}: "
                "they have to be of one shape"
            )
        bare: DataSpec = replace(like, classes=(), count=0, unlabelled=0, condition_stats=())  # type: ignore[type-var]
        return bare

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Copy the arrays into the rows; those that are not finite are skipped. All rows of a chunk have its digest."""
        results: list[ReadResult] = []
        for values in self.arrays:
            for start in range(0, len(values), CHUNK_ROWS):
                chunk = self.prepare(np.array(values[start : start + CHUNK_ROWS], rows.dtype))
                rows[len(results) : len(results) + len(chunk)] = chunk
                good = np.isfinite(chunk.reshape(len(chunk), -1)).all(1)
                digest = ReadResult(hashlib.blake2b(chunk.tobytes(), digest_size=16).hexdigest())
                results += [digest if ok else ReadResult(reason="holds values that are not finite") for ok in good]
                let_go(rows)
                let_go(values)
                on_progress(len(results))
        return results

    def prepare(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Return some rows as they are stored."""
        return chunk
