"""Image files in a folder, a zip or a tar: flat or one folder a class, with or without train and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from sparring.data.container import Container, LeftOut
from sparring.data.decode import decode_all, header
from sparring.data.found import Found, Item, Outcome, Rows, Shape

SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".pgm",
        ".ppm",
        ".pbm",
        ".pnm",
        ".tga",
        ".jp2",
        ".avif",
        ".ico",
        ".pcx",
        ".apng",
    ]
)
SPLITS: dict[str, Literal["train", "test"]] = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "test", "valid": "test", "validation": "test",
}  # fmt: skip
MOST_HEADERS = 2_000
"""Of more images than this an evenly spaced sample of headers decides on size and mode."""


@dataclass
class ImageFiles:
    """Encoded images, each in a file of its own."""

    container: Container
    items: list[Item]
    left_out: list[LeftOut]
    notes: list[str] = field(default_factory=list)
    kind: Literal["image"] = "image"
    format: str = "image files"
    drops_duplicates: bool = True

    def survey(self) -> Counter[Shape]:
        """Sizes and modes by the headers of up to 2,000 files; what has no readable header does not count."""
        shapes: Counter[Shape] = Counter()
        stride = -(-len(self.items) // MOST_HEADERS)
        for item in self.items[::stride]:
            try:
                shapes[header(self.container.read(item.name))] += 1
            except Exception:  # decoding will meet the same file and report it
                continue
        return shapes

    def ingest(self, rows: Rows, shape: Shape, tell: Callable[[int], None]) -> list[Outcome]:
        """Decode each file into its row."""
        return decode_all(self.container, [item.name for item in self.items], rows, shape, tell)


def read_images(container: Container) -> Found | None:
    """Image files, with classes and splits by the names of folders; None where there are none."""
    items, left_out, places = [], list(container.refused), _below_common_folder(container.names)
    for name, parts in places:
        suffix = PurePosixPath(name).suffix.lower()
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            left_out.append(LeftOut(name, "is hidden"))
        elif suffix and suffix not in SUFFIXES:
            left_out.append(LeftOut(name, f"is no image ({suffix})"))
        else:
            *folders, _ = parts
            split: Literal["train", "test"] = "train"
            if folders and folders[0].lower() in SPLITS:
                split = SPLITS[folders.pop(0).lower()]
            items.append(Item(name, split, folders[0] if folders else None))
    if not any(PurePosixPath(item.name).suffix for item in items):
        return None
    return ImageFiles(container, items, left_out)


def _below_common_folder(names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Names with their parts, less the folders that all of them share (an archive's own top folder, say)."""
    parts = [PurePosixPath(name).parts for name in names]
    seen = [p for p in parts if not any(part.startswith(".") or part == "__MACOSX" for part in p)] or parts
    shared = 0
    while seen and all(len(p) > shared + 1 for p in seen) and len({p[shared] for p in seen}) == 1:
        if seen[0][shared].lower() in SPLITS:
            break
        shared += 1
    return [(name, p[shared:] if p[:shared] == seen[0][:shared] else p) for name, p in zip(names, parts, strict=True)]
