"""Flags of the command line that say how a source is read; those of every kind of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

Switch = Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff]
Names = Annotated[tuple[str, ...], arg(metavar="NAME ...", help_behavior_hint="")]


@dataclass(frozen=True)
class ShapeFlags:
    """Shape of images."""

    size: Annotated[str | None, arg(metavar="HxW", help_behavior_hint="(default: chosen from the data)")] = None
    """Size that images are scaled to; one number for a square."""
    mode: Annotated[str | None, arg(metavar="MODE", help_behavior_hint="(default: chosen from the data)")] = None
    """Mode that images are converted to: L, LA, RGB or RGBA."""


@dataclass(frozen=True)
class SampleReadFlags(ShapeFlags):
    """Shape of images, and the class of a table."""

    label: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of the class, for a table of another tool: judges learn to predict it."""


@dataclass(frozen=True)
class ReadFlags(ShapeFlags):
    """How SOURCE is read."""

    kind: Annotated[str | None, arg(metavar="KIND", help_behavior_hint="(default: guessed)")] = None
    """Kind of data: image, audio, series or table."""
    label: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of the class in a table, by name or by position from 0."""
    label_from: Annotated[str | None, arg(metavar="PATTERN", help_behavior_hint="(default: guessed)")] = None
    """Where names of files hold the class, as in '{label}_*.png' or '*/{label}/*'; folder, or none."""
    part: Annotated[str | None, arg(metavar="WORD", help_behavior_hint="")] = None
    """Part of SOURCE to read: files with this word in their path."""
    name_encoding: Annotated[str | None, arg(metavar="ENCODING", help_behavior_hint="(default: guessed)")] = None
    """Encoding of names of files that are no UTF-8, such as gbk."""
    force: Switch = False
    """Go on where most of the files cannot be read."""
    stream: Switch = False
    """Decode the images of tar files at each reading, and keep no decoded copy on the disk."""
    names: Names = ()
    """Names of the columns of a table or series without a header."""
    drop: Names = ()
    """Columns of a table or series to leave out."""
    categorical: Names = ()
    """Numeric columns of a table to treat as categories."""
    delimiter: Annotated[str | None, arg(metavar="CHARACTER", help_behavior_hint="(default: guessed)")] = None
    """Character between the cells of a text table."""
    time: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of the time in a file of series."""
    window: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Steps of each window that a long series is cut into."""
    validation: Switch = False
    """Leave the test examples out, and hold out some of the training examples in their place."""
    hop: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: 1 to train a generator)")] = None
    """Steps between the starts of training windows of a long series."""
    code: Annotated[str | None, arg(metavar="CODE", help_behavior_hint="(default: auto to train a generator)")] = None
    """Values that a generator of series learns: levels, returns (log-returns), or auto, by channel."""


@dataclass(frozen=True)
class PairReadFlags(ReadFlags):
    """How SOURCE is read, and what is paired with it."""

    pair_with: Annotated[str | None, arg(name="with", metavar="SOURCE", help_behavior_hint="")] = None
    """Second source: each example of SOURCE is paired with one of it, as sounds with pictures. SOURCE may be written
    --pair SOURCE."""
    by: Annotated[str | None, arg(metavar="label|name", help_behavior_hint="(default: label where both have them)")] = (
        None
    )
    """How pairs are joined: by label, or by the names of files without folder and suffix."""


@dataclass(frozen=True)
class GroupFlags:
    """The groups of new data."""

    protect: Annotated[str | None, arg(metavar="COLUMN", help_behavior_hint="")] = None
    """Column of the group of each example, or several with commas, for the `groups` of NAME.npz."""
    protect_from: Annotated[str | None, arg(metavar="PATTERN", help_behavior_hint="")] = None
    """Place of the group in names of files, for the `groups` of NAME.npz, as in '{label}_{group}_*.wav'."""
