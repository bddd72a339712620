"""What a reader finds in a container, whatever the format: named items, and a way to put them into rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from sparring.data.archive import Container, Skipped

if TYPE_CHECKING:  # a decoding process starts sooner without NumPy
    import numpy as np
    from numpy.typing import NDArray

    Rows: TypeAlias = NDArray[np.uint8]
    """`[N, H, W, C]`, a memory map while the cache is built."""
    Vectors: TypeAlias = NDArray[np.float32]
    """`[N, K]`: numbers told with each image, in place of a class."""

MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""Pillow's name -> channels; other numbers of channels come from arrays alone."""


def mode_of(channels: int) -> str | None:
    """Pillow's name for so many channels; None where it has none."""
    return next((name for name, count in MODES.items() if count == channels), None)


class Shape(NamedTuple):
    """Size and mode of an image."""

    height: int
    width: int
    mode: str
    """Pillow's name, or `N channels`."""


class Example(NamedTuple):
    """One image (or clip, or record): its name, split and label as found."""

    name: str
    split: Literal["train", "test"]
    label: str | None


class ReadResult(NamedTuple):
    """What became of one item: the digest of its content, or why it could not be used."""

    digest: str = ""
    reason: str = ""


class RawDataset(Protocol):
    """What a reader found. Images today; a reader of sound or tables gives another `kind` and other rows."""

    @property
    def kind(self) -> Literal["image", "audio", "table"]:
        """What the rows are."""
        ...

    @property
    def format(self) -> str:
        """The format's name, for people."""
        ...

    @property
    def items(self) -> list[Example]:
        """All items, in the order of the rows."""
        ...

    @property
    def skipped(self) -> list[Skipped]:
        """Files that are no items, and why."""
        ...

    @property
    def notes(self) -> list[str]:
        """What people should know of how the data were read."""
        ...

    @property
    def drops_duplicates(self) -> bool:
        """True where equal items are an accident of collecting; False for published arrays, which stay as they are."""
        ...

    @property
    def vectors(self) -> Vectors | None:
        """Numbers told with each item, finite; None where there are none, and labels are classes."""
        ...

    def survey(self) -> Counter[Shape]:
        """The sizes and modes there are, by headers, from a sample where there are very many."""
        ...

    def ingest(self, rows: Rows, shape: Shape, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Write each item into its row; `tell` is called with the number of rows done."""
        ...


Reader = Callable[[Container], RawDataset | None]
"""A format: looks at a container and gives what it finds there, or None where it is not its format."""
