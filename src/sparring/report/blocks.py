"""Building blocks of a report: typed objects, each of which one macro of templates/blocks.html.j2 renders as HTML.

Text and cells are escaped by the templates. HTML that is meant as such is a `Markup` (`format.markup`, `svg_plots`).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from sparring.engine.sound_io import wav
from sparring.report.format import interval_text, markup, percent, printable, shortened, with_code
from sparring.report.svg_plots import bar
from sparring.stats.proportion import Proportion

PICTURE_SIDE = 1600
"""Largest width and height of a picture, in pixels; larger ones are scaled down."""
LOSSLESS_PIXELS = 400_000
"""Largest number of pixels of a picture that is stored without loss."""

CELL_LETTERS = 40
"""Largest number of letters of a value before or after a change."""


@cache
def environment() -> Environment:
    """Return the templates' environment: autoescape on, undefined names are errors, unprintable characters replaced."""
    loader = PackageLoader("sparring.report", "templates")
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, finalize=printable)
    templates.filters["with_code"] = with_code
    templates.trim_blocks = templates.lstrip_blocks = True
    return templates


class Block:
    """Part of a section that renders itself by the macro of this name."""

    macro: ClassVar[str]

    def __html__(self) -> str:
        macros: Any = environment().get_template("blocks.html.j2").module
        return str(getattr(macros, self.macro)(self))


@dataclass(frozen=True)
class Text(Block):
    """Paragraph."""

    macro = "text"
    text: str
    quiet: bool = False
    """Whether it is set small and grey."""

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True)
class Facts(Block):
    """Names and values side by side."""

    macro = "facts"
    facts: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.facts)


@dataclass(frozen=True)
class Bullets(Block):
    """List of lines."""

    macro = "bullets"
    lines: Sequence[str]
    style: str = ""

    def __bool__(self) -> bool:
        return bool(self.lines)


def notes(lines: Sequence[str]) -> Bullets:
    """Return notes and warnings, in a box."""
    return Bullets(lines, "notes")


@dataclass(frozen=True)
class Cell:
    """Cell of a table with a style of the page: `drawing`, `changed`."""

    content: str
    style: str


@dataclass(frozen=True)
class Table(Block):
    """Table; a cell is text, `Markup` or a `Cell`."""

    macro = "table"
    head: Sequence[str | Cell]
    """Names of the columns, or ()."""
    rows: Sequence[Sequence[str | Cell]]
    style: str = ""
    """Style of the page: `scores`, `bars`, `protocol`, `parts`, `changes`, or none."""
    named_rows: bool = False
    """Whether the first cell of each row is its name."""

    def __bool__(self) -> bool:
        return bool(self.rows)


def changed_cell(before: str, after: str) -> str | Cell:
    """Return the cell of a value before and after a change; a change is marked by an arrow and by weight, too."""
    was, became = (shortened(value, CELL_LETTERS) for value in (before, after))
    return was if before == after else Cell(markup("<del>{}</del><br><ins>→ {}</ins>", was, became), "changed")


def proportion_cells(proportion: Proportion) -> tuple[str, str]:
    """Return two cells of a table: the percentage, and its interval."""
    return percent(proportion.value), interval_text(proportion.low, proportion.high)


def bar_cell(proportion: Proportion) -> Cell:
    """Return the cell of a proportion drawn as a bar with its interval."""
    return Cell(bar(proportion.value, proportion.low, proportion.high), "drawing")


def protocol_table(settings: Mapping[str, Any]) -> Table:
    """Return a table of settings by name; the keys of inner objects follow the outer key and a dot."""
    return Table((), _flat(settings, ""), "protocol", named_rows=True)


def _flat(values: Mapping[str, Any], before: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{before}{key}"
        match value:
            case Mapping() if value:
                lines += _flat(value, f"{name}.")
            case list() | tuple() if any(isinstance(item, Mapping) for item in value):
                lines += _flat({str(k): item for k, item in enumerate(value)}, f"{name}.")
            case list() | tuple():
                lines.append((name, ", ".join(map(str, value)) or "none"))
            case bool():
                lines.append((name, "yes" if value else "no"))
            case _:
                lines.append((name, "none" if value is None or value == {} else str(value)))
    return lines


@dataclass(frozen=True)
class Drawing(Block):
    """SVG of `svg_plots`."""

    macro = "drawing"
    svg: Markup

    def __bool__(self) -> bool:
        return bool(self.svg)


@dataclass(frozen=True)
class Picture(Block):
    """Image with a caption below it."""

    macro = "picture"
    image: Image.Image
    caption: str = ""
    alt: str = ""
    """Description for those who do not see it; the caption where it is empty."""

    @cached_property
    def uri(self) -> str:
        """The image as a data URI: PNG where it is small, WebP where it is large."""
        shown = self.image.copy()
        shown.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        content = io.BytesIO()
        if shown.width * shown.height <= LOSSLESS_PIXELS:
            shown.save(content, kind := "PNG", optimize=True)
        else:
            shown.save(content, kind := "WEBP", quality=90)
        return _data_uri(f"image/{kind.lower()}", content.getvalue())


@dataclass(frozen=True)
class Sound(Block):
    """Recording to listen to, with a caption below it."""

    macro = "sound"
    wav: bytes
    """A wav file."""
    caption: str = ""

    @classmethod
    def of_samples(cls, samples: NDArray[np.int16], rate: int, caption: str = "") -> Sound:
        """Return the recording of int16 `samples` `[T]`, `rate` of them a second."""
        return cls(wav(samples, rate), caption)

    @property
    def uri(self) -> str:
        """The recording as a data URI."""
        return _data_uri("audio/wav", self.wav)


@dataclass(frozen=True)
class Animation(Block):
    """Animated WebP; paper, and systems set to less motion, show its last frame."""

    macro = "animation"
    webp: bytes

    @property
    def uri(self) -> str:
        """The animation as a data URI."""
        return _data_uri("image/webp", self.webp)

    @property
    def still(self) -> Picture:
        """The last frame."""
        with Image.open(io.BytesIO(self.webp)) as frames:
            frames.seek(getattr(frames, "n_frames", 1) - 1)
            return Picture(frames.convert("RGB"))


@dataclass(frozen=True)
class Gallery(Block):
    """Pictures, drawings or sounds, side by side or below each other."""

    macro = "gallery"
    figures: Sequence[Block]
    style: str
    """Style of the page: `samples` (below each other), `pairs` (side by side) or `curves` (two columns)."""

    def __bool__(self) -> bool:
        return bool(self.figures)


@dataclass(frozen=True)
class Card(Block):
    """Result of one check or example, marked by colour, icon and word."""

    macro = "card"
    tone: str
    """`ok`, `notice` or `problem`."""
    title: str
    detail: str = ""
    """Evidence behind it."""
    advice: str = ""
    """Flags to try next."""
    mark: str = ""
    """Word beside the icon; without one there is no icon."""
    content: Sequence[Block] = ()

    @property
    def icon(self) -> str:
        """The sign of the tone, so that colour is not the only mark."""
        return {"ok": "✓", "notice": "!", "problem": "✕"}[self.tone]


@dataclass(frozen=True)
class Details(Block):
    """Blocks that are shown when the reader opens them."""

    macro = "details"
    summary: str
    content: Sequence[Block]


class ScoreKey(Block):
    """Key to the drawings in the table of scores."""

    macro = "score_key"


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
