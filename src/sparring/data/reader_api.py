"""What a reader returns, whatever the format: named examples, a spec, and a way to write them into rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from sparring.data.files.archive import Container, Skipped
from sparring.engine.errors import UsageError

if TYPE_CHECKING:  # a decoding process starts sooner without NumPy
    import numpy as np
    from numpy.typing import NDArray

    from sparring.data.streamed import StreamedStore
    from sparring.engine.data_spec import DataSpec

    Rows: TypeAlias = NDArray[Any]
    """`[N, ...]` as `store_for` lays them out, a memory map while the cache is built."""
    Vectors: TypeAlias = NDArray[np.float32]
    """`[N, K]`: numbers in place of a class, one vector for each example."""

MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""Pillow's name -> channels; other numbers of channels come from arrays alone."""


def mode_of(channels: int) -> str | None:
    """Return Pillow's name for this number of channels; None where it has none."""
    return next((name for name, count in MODES.items() if count == channels), None)


class Shape(NamedTuple):
    """Size and mode of an image."""

    height: int
    width: int
    mode: str
    """Pillow's name, or `N channels`."""


class Example(NamedTuple):
    """One image, recording, series or table row: its name, split and label as found."""

    name: str
    split: Literal["train", "test"]
    label: str | None


class Extent(NamedTuple):
    """Range of numbers that are no bytes by their type."""

    low: float
    high: float
    whole: bool
    """True where all of them are whole numbers."""
    floating: bool
    """True where their type is floating point."""


class ReadResult(NamedTuple):
    """Outcome of reading one example: the digest of its content, or the reason why it cannot be used."""

    digest: str = ""
    reason: str = ""
    extent: Extent | None = None
    """Range of an image of more than 8 bits, which is not written before the scale of all is known."""


@dataclass(frozen=True)
class ReadOptions:
    """Choices of how to read a source; the defaults follow what it holds. Part of the cache's key."""

    kind: str | None = None
    """Kind of data: image, audio, series or table; None: guessed."""
    size: tuple[int, int] | None = None
    """Height and width of images."""
    mode: str | None = None
    """Mode of images: L, LA, RGB or RGBA."""
    resize: bool = False
    """True to scale images of other sizes and modes to those of `like`."""
    label: str | None = None
    """Column of the class, by name or by position from 0."""
    numeric_label: bool = False
    """True where labels are numbers to predict, and not names of classes."""
    label_from: str | None = None
    """Where the class stands in the names of files: a pattern with {label}, or folder, or none; None: guessed."""
    part: str | None = None
    """Part of the source to read: files with this word in their path; None: all."""
    name_encoding: str | None = None
    """Encoding of names of files that are no UTF-8; None: guessed."""
    protect: str | None = None
    """Column of the protected group, by name or by position from 0; networks do not see it. Several columns have commas
    between them: groups are then combinations of their values."""
    protect_from: str | None = None
    """Place of the protected group in the names of files: a pattern with {group}."""
    see_protected: bool = False
    """True to give the protected column to networks as well."""
    force: bool = False
    """True to go on where most of the files cannot be read."""
    names: tuple[str, ...] = ()
    """Names of the columns, where the file has none."""
    drop: tuple[str, ...] = ()
    """Columns to leave out, by name or by position from 0."""
    categorical: tuple[str, ...] = ()
    """Numeric columns to treat as categories."""
    delimiter: str | None = None
    """Character between the cells of a text table; None: guessed."""
    time: str | None = None
    """Column of the time, by name or by position from 0."""
    window: int | None = None
    """Steps of each window that a long series is cut into."""
    validation: bool = False
    """True to leave the test examples out, and to hold out some of the training examples in their place."""
    hop: int | None = None
    """Steps between the starts of training windows of a long series; None: they follow each other."""
    code: str | None = None
    """Code of the values of series for a generator: auto, levels or returns."""
    whole: bool = False
    """True to read a table whole, as generators take it: with its gaps, dates, keys and constants."""
    stream: bool = False
    """True to decode images at each reading, and to keep no decoded copy."""
    pair_with: str | None = None
    """Another source, whose examples are the second halves of pairs."""
    by: str | None = None
    """How pairs are joined: label or name; None: by label where the sources share classes."""

    def check(self, kind: str, evidence: str) -> None:
        """Raise UsageError where an option is set that this kind of data does not have."""
        from sparring.engine.data_spec import KINDS, kinds_of

        for name, kinds in KINDS_OF_OPTION.items():
            allowed = {*kinds, *BESIDE_FILES.get(name, ())}
            if getattr(self, name) not in (None, False, ()) and not allowed & set(kinds_of(kind)):
                flag, plurals = name.replace("_", "-"), " and ".join(KINDS[k].plural for k in kinds)
                raise UsageError(
                    f"--{flag} is for {plurals}, and the source is read as {KINDS[kind].plural} ({evidence}): leave it "
                    "out, or name another --kind"
                )


KINDS_OF_OPTION = {
    "size": ("image",), "mode": ("image",), "resize": ("image",), "stream": ("image",),
    "label": ("table",), "protect": ("table",), "see_protected": ("table",), "protect_from": ("image", "audio"),
    "label_from": ("image", "audio"), "categorical": ("table",),
    "names": ("table", "series"), "drop": ("table", "series"), "delimiter": ("table", "series"),
    "time": ("series",), "window": ("series",), "hop": ("series",), "code": ("series",), "whole": ("table",),
}  # fmt: skip
"""Option -> kinds of data that have it."""
BESIDE_FILES = {"label": ("image", "audio"), "protect": ("image", "audio")}
"""Option -> kinds that have it by a table beside their files."""


class RawDataset(ABC):
    """What a reader found in a container, before it is written into rows."""

    format: str
    """Name of the format, for people."""
    unit: str
    """What one example is called, in the plural: images, recordings, series, rows."""
    items: Sequence[Example]
    """All examples, in the order of the rows; known after `plan`."""
    skipped: list[Skipped]
    """Files that are no examples, and why."""
    notes: list[str]
    """Remarks on how the data were read, for people; final after `finish`."""
    drops_duplicates: bool = False
    """True where equal examples are an accident of collecting; False for published arrays and tables."""
    roles: Sequence[tuple[str, str, int, str]] = ()
    """What folders and files were taken for: place, role, examples, evidence."""
    held_out: int | None = 10
    """Fraction held out for testing, as 1 in this number, where the source marks none; None: nothing."""

    in_time: bool = False
    """True where examples follow each other in time: the last ones are held out for validation."""
    overlap: int = 0
    """Examples before a held-out one that are too near to it in time to train on; known after `plan`."""

    @property
    def vectors(self) -> Vectors | None:
        """Finite numbers in place of classes, one row an example; None where labels are classes."""
        return None

    @property
    def groups(self) -> Sequence[str | None] | None:
        """Group of each example, None for unknown; known after `ingest`. None: nothing is protected."""
        return None

    @abstractmethod
    def plan(self, options: ReadOptions, like: DataSpec | None) -> DataSpec:
        """Return the spec of the rows to write, without classes and count; `like`: as these were."""

    @abstractmethod
    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Write each example into its row; `on_progress` gets the number of rows done."""

    def stream(self, spec: DataSpec, on_progress: Callable[[int], None]) -> tuple[StreamedStore, list[ReadResult]]:
        """Read each example and write it nowhere; return what reads it again, in place of rows.

        Raises UsageError where examples cannot be read one by one.
        """
        raise UsageError(f"--stream reads images in tar files, and these are {self.format}: leave it out")

    def finish(self, spec: DataSpec, rows: Rows, used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
        """Return the spec completed by what was written: `used` rows hold examples, `train` are those to train on."""
        from sparring.data.fit_spec import fit_spec

        return fit_spec(spec, rows, used, train)

    def lengths(self) -> NDArray[np.int64] | None:
        """Return steps of each row before the padding, `[N]`; None where rows have one length. Known after `ingest`."""
        return None

    def forms(self) -> dict[str, int]:
        """Count the forms that were found: sizes and modes of images, rates of recordings."""
        return {}


Reader = Callable[[Container, ReadOptions], RawDataset | None]
"""A format: looks at a container and returns what it finds there, or None where it is not its format."""
