"""One file a format. A reader is a function from a container to what it finds there; this table is their order."""

from sparring.data.reader_api import Reader
from sparring.data.readers.cifar import read_cifar
from sparring.data.readers.idx import read_idx_files
from sparring.data.readers.images import read_images
from sparring.data.readers.numpy import read_numpy
from sparring.data.readers.parquet import read_parquet

READERS: tuple[Reader, ...] = (read_idx_files, read_cifar, read_numpy, read_parquet, read_images)
"""The first that finds something reads the source."""
