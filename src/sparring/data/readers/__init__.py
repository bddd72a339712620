"""One file a format. A reader is a function from a container to what it finds there; this table is their order."""

from __future__ import annotations

from collections.abc import Callable

from sparring.data.files.archive import Container
from sparring.data.reader_api import RawDataset, Reader
from sparring.data.readers.arrays import ArrayDataset
from sparring.data.readers.audio import read_audio
from sparring.data.readers.cifar import read_cifar
from sparring.data.readers.idx import read_idx_files
from sparring.data.readers.images import read_images
from sparring.data.readers.numpy import read_numpy
from sparring.data.readers.parquet import read_parquet
from sparring.data.readers.series import read_series
from sparring.data.readers.table import read_table

__all__ = ["READERS", "ArrayDataset"]


def _of_images(read: Callable[[Container], RawDataset | None]) -> Reader:
    """Return a reader that needs no options."""
    return lambda container, options: read(container)


READERS: dict[str, tuple[Reader, ...]] = {
    "image": (*map(_of_images, (read_idx_files, read_cifar, read_numpy)), read_parquet, read_images),
    "audio": (read_audio,),
    "series": (read_series,),
    "table": (read_table,),
}
"""Kind of data -> its readers; the first that finds something reads the source."""
