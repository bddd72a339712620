"""Image files in a folder, a zip or a tar: flat or one folder a class, with or without train and test."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from sparring.data.files.archive import Container, Skipped, suffix
from sparring.data.files.signatures import BY_SUFFIX
from sparring.data.images.decode import alpha_of, header, pages_of
from sparring.data.images.shape import ImageSource, shape_of
from sparring.data.reader_api import Example, RawDataset, ReadOptions, ReadResult, Shape
from sparring.data.roles.assign import assign
from sparring.data.streamed import StreamedStore, streamed_store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparring.data.reader_api import Rows
    from sparring.engine.data_spec import DataSpec

SUFFIXES = frozenset([
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".pgm",
    ".ppm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".jpx", ".jpf", ".avif", ".ico", ".pcx",
])  # fmt: skip
MOST_HEADERS = 1_000
"""Of more images than this an evenly spaced sample of headers decides on size and mode."""
PAGED = frozenset([".tif", ".tiff", ".gif", ".webp", ".png", ".apng"])
"""Suffixes of formats that may hold several pictures."""
MOST_ALPHAS = 24
"""Images whose transparency is looked at."""
TRIED = 50
"""Files without suffix that are looked into, where no file has the suffix of an image."""


@dataclass
class ImageFiles(ImageSource):
    """Encoded images, each in a file of its own."""

    container: Container
    items: list[Example]
    skipped: list[Skipped]
    notes: list[str] = field(default_factory=list)
    format: str = "image files"
    drops_duplicates: bool = True
    roles: Sequence[tuple[str, str, int, str]] = ()
    vectors: NDArray[np.float32] | None = None
    groups: Sequence[str | None] | None = None

    def survey(self) -> Counter[Shape]:
        """Sizes and modes by the headers of up to 1,000 files; what has no readable header does not count."""
        names = [item.name for item in self.items[:: -(-len(self.items) // MOST_HEADERS)]]
        self.notes += _note_pages(self.container, names)
        return survey(self.container, names)

    def alpha(self) -> Iterator[NDArray[Any]]:
        """Yield the alpha channels of some files, evenly spaced."""
        return alphas(self.container, [item.name for item in self.items])

    def stream(self, spec: DataSpec, on_progress: Callable[[int], None]) -> tuple[StreamedStore, list[ReadResult]]:
        """Decode each file, and keep its place alone."""
        store = streamed_store(self.container, [item.name for item in self.items], shape_of(spec))
        return store, self.decode_files(self.container, None, spec, on_progress)

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Decode each file into its row."""
        return self.decode_files(self.container, rows, spec, on_progress)


def survey(container: Container, names: list[str]) -> Counter[Shape]:
    """Sizes and modes by the headers of these files."""
    shapes: Counter[Shape] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files
        for name in names:
            try:
                shapes[header(container.read(name))] += 1
            except Exception:  # decoding will meet the same file and report it
                continue
    return shapes


def _note_pages(container: Container, names: list[str]) -> list[str]:
    """Return a note where files hold several pictures, of which the first is used."""
    counts: dict[str, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `survey`
        for name in names:
            if suffix(name) in PAGED:
                with suppress(Exception):
                    counts[name] = pages_of(container.read(name))
    if not (several := [name for name, count in counts.items() if count > 1]):
        return []
    total, files = sum(counts[name] for name in several), f"{len(several):,} file{'s' * (len(several) > 1)}"
    return [
        f"{files} of {len(names):,} looked at hold{'s' * (len(several) == 1)} {total:,} pictures (as {several[0]}): "
        "the first of each is used; save the pages as files of their own to use all"
    ]


def alphas(container: Container, names: list[str]) -> Iterator[NDArray[Any]]:
    """Yield the alpha channels of a few of these files; what cannot be decoded is reported later."""
    for name in names[:: -(-len(names) // MOST_ALPHAS)]:
        with suppress(Exception):
            yield alpha_of(container.read(name))


def read_images(container: Container, options: ReadOptions) -> RawDataset | None:
    """Image files, with classes and splits by folders and by what lies beside them; None where there are none."""
    skipped = list(container.refused)
    images: list[str] = []
    others: dict[str, str] = {}
    for name in container.names:
        kind = suffix(name)
        if kind and kind not in SUFFIXES:
            what = BY_SUFFIX.get(kind)
            others[name] = str(what) if what else f"is no image that is read here ({kind})"
        else:
            images.append(name)
    if not any(map(suffix, images)) and not survey(container, images[:TRIED]):
        return None
    arranged = assign(container, images, list(others), options, "images")
    skipped += [Skipped(name, reason) for name, reason in others.items() if name not in arranged.used]
    return ImageFiles(
        container, arranged.items, skipped + arranged.skipped, arranged.notes, roles=arranged.roles,
        vectors=arranged.vectors, groups=arranged.groups,
    )  # fmt: skip


def mostly_images(container: Container, others: int) -> bool:
    """Return True where there are more image files than `others`: then a lone array or table is a file beside them."""
    return any(True for _ in islice((name for name in container.names if suffix(name) in SUFFIXES), others, None))
