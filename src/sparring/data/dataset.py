"""A source as one memory-mapped array of bytes, built once and kept; the second open takes no time."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.container import Folder, is_packed_tar, natural, open_container, unpacked
from sparring.data.found import MODES, Found, Outcome, Shape
from sparring.data.known import DIGITS
from sparring.data.source import cache_folder, find, find_digits, locate
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.files import remove, saying, write
from sparring.engine.spec import Spec

VERSION = 1
"""Of the cache's layout and of the way images are decoded; part of every key."""
TOUCHED = 64 << 20
"""Bytes of the map that are read before its pages are handed back: memory does not grow with the data set."""
LARGEST_AUTO, AUTO_SIDE = 128, 64
"""Images of one size up to 128 are taken as they are; others are brought to 64 on the longer side, unless told."""
UNSPLIT: dict[str, Literal[0, 1]] = {"train": 0, "test": 1}


@dataclass(frozen=True)
class Report:
    """What was found, used and left out."""

    source: str
    format: str
    used: int
    left_out: dict[str, list[str]]
    """Why -> names."""
    shape: tuple[int, int, int]
    """Height, width, channels."""
    mode: str
    shapes_found: dict[str, int]
    """`HxW mode` -> images."""
    classes: dict[str, int]
    """Class -> images; empty where nothing is labelled."""
    unlabelled: int
    splits: dict[str, int]
    notes: list[str]
    fingerprint: str


class Images:
    """Images `[N, H, W, C]` in a memory map, with labels and splits.

    Index it with a whole-number array for uint8 rows. `Images` are opened by `open_images`.
    """

    def __init__(self, folder: Path, split: Literal["train", "test"] | None = "train") -> None:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.report = Report(**meta["report"])
        self.fingerprint: str = self.report.fingerprint
        height, width, channels = self.report.shape
        rows, labels, splits = (np.load(folder / f"{name}.npy") for name in ("rows", "labels", "splits"))
        chosen = np.ones(len(rows), bool) if split is None else splits == UNSPLIT[split]
        self.rows: NDArray[np.int64] = rows[chosen]
        self.labels: NDArray[np.int64] = labels[chosen]
        self.spec = Spec(height, width, channels, tuple(self.report.classes), len(self.rows))
        self._pixels: np.memmap[Any, np.dtype[np.uint8]] = np.memmap(
            folder / "pixels.u8", np.uint8, "r", shape=(meta["rows"], height, width, channels)
        )
        self._touched = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        picked = self._pixels[self.rows[index]]
        self._touched += len(index) * max(picked[:1].nbytes, 1 << 16)  # the kernel maps 64 KiB around a page
        if self._touched > TOUCHED:
            self._touched = 0
            with suppress(AttributeError, OSError, ValueError):  # not on Windows; there the system does it
                self._pixels._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
        return picked

    def split(self, name: Literal["train", "test"] | None) -> Images:
        """The same data, another split ("train", "test", or None for all)."""
        return Images(self.folder, name)


def open_images(
    source: str | Path,
    size: tuple[int, int] | None = None,
    mode: str | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Images:
    """Open SOURCE for training: a folder, an archive, a file, a URL or a known name.

    `size` (height, width) and `mode` ("L", "LA", "RGB", "RGBA") are chosen where None. `tell(done, of)` follows the
    building of the cache. Raises SparringError with what was found where nothing is usable.
    """
    if size is not None and not all(1 <= side <= 16384 for side in size):
        raise UsageError(f"size {size[0]}x{size[1]} is out of range: each side is 1 to 16384")
    if mode is not None and mode not in MODES:
        raise UsageError(f"unknown mode '{mode}': one of {', '.join(MODES)}")
    cache = cache_folder()
    digits = str(source) == DIGITS and not Path(DIGITS).exists()
    path, notes = (Path(DIGITS), []) if digits else locate(source)
    asked = json.dumps([VERSION, DIGITS if digits else _quick_key(path), size, mode])
    index = cache / "index" / f"{hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()}.json"
    with suppress(OSError, ValueError, KeyError):
        return Images(cache / "data" / json.loads(index.read_text())["fingerprint"])
    with saying(cache):
        (cache / "data").mkdir(parents=True, exist_ok=True)
    _sweep(cache / "data")
    building = cache / "data" / f".building-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        with saying(building):
            building.mkdir()
        if not digits and is_packed_tar(path):
            path = unpacked(path, building / "unpacked.tar")
        found = find_digits() if digits else find(path)
        fingerprint = _build(found, str(source), building, size, mode, notes, tell)
        remove(building / "unpacked.tar")
        _keep(building, cache / "data" / fingerprint)
    finally:
        remove(building)
    write(index, json.dumps({"fingerprint": fingerprint}))
    return Images(cache / "data" / fingerprint)


def parse_size(size: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """`"HxW"`, or one number for a square, as (height, width)."""
    if not isinstance(size, str):
        return size
    parts = size.lower().split("x")
    if not (len(parts) in (1, 2) and all(part.isascii() and part.isdigit() for part in parts)):
        raise UsageError(f"--size {size} is not understood: write HxW, 64x48 say, or one number for a square")
    return int(parts[0]), int(parts[-1])


def _quick_key(path: Path) -> str:
    if path.is_dir():
        return open_container(path).key()
    return Folder(path).key()


def _build(
    found: Found,
    source: str,
    folder: Path,
    size: tuple[int, int] | None,
    mode: str | None,
    notes: list[str],
    tell: Callable[[int, int], None],
) -> str:
    """Write pixels, labels and meta of `found` into `folder`; returns the fingerprint of the content."""
    shapes = found.survey()
    if not shapes:
        why = f" (the first: {found.left_out[0].name} {found.left_out[0].why})" if found.left_out else ""
        raise SparringError(f"nothing usable in {source}: {len(found.items)} files, none a readable image{why}")
    shape, chosen = choose_shape(shapes, size, mode)
    channels = MODES.get(shape.mode) or int(shape.mode.split()[0])
    full = len(found.items), shape.height, shape.width, channels
    needed, free = int(np.prod(full, dtype=object)), shutil.disk_usage(folder).free
    if needed > free * 0.95:
        raise SparringError(
            f"the cache of {source} needs {needed / 1e9:.1f} GB, the disk of {folder.parent} has {free / 1e9:.1f} GB free: "
            "make room, set SPARRING_CACHE to another disk, or take a smaller --size"
        )
    with saying(folder):
        pixels = np.memmap(folder / "pixels.u8", np.uint8, "w+", shape=full)
        outcomes = found.ingest(pixels, shape, lambda done: tell(done, full[0]))
        pixels.flush()
        usable, left_out = _sort_out(found, outcomes)
        if not usable:
            why, names = next(iter(left_out.items()))
            raise SparringError(
                f"nothing usable in {source}: {len(found.items)} files, none a readable image ({names[0]} {why})"
            )
        labels, classes = _labels(found, usable)
        splits = np.array([UNSPLIT[found.items[row].split] for row in usable], np.uint8)
        fingerprint = _fingerprint(found, outcomes, usable, shape)
        counts = Counter(labels.tolist())
        report = Report(
            source, found.format, len(usable), left_out, (shape.height, shape.width, channels), shape.mode,
            {f"{s.height}x{s.width} {s.mode}": count for s, count in shapes.most_common()},
            {name: counts[k] for k, name in enumerate(classes)}, counts[-1],
            {name: int((splits == k).sum()) for name, k in UNSPLIT.items()},
            [*notes, *found.notes, *chosen], fingerprint,
        )  # fmt: skip
        for name, array in (("rows", np.array(usable, np.int64)), ("labels", labels), ("splits", splits)):
            np.save(folder / f"{name}.npy", array)
        meta = {"version": VERSION, "rows": full[0], "report": asdict(report)}
        (folder / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8", errors="backslashreplace")
    return fingerprint


def choose_shape(shapes: Counter[Shape], size: tuple[int, int] | None, mode: str | None) -> tuple[Shape, list[str]]:
    """The shape to train in, of those that were found, and what to say about the choice."""
    notes = []
    sizes = Counter({(s.height, s.width): 0 for s in shapes})
    for s, count in shapes.items():
        sizes[s.height, s.width] += count
    if size is None:
        (height, width), most = sizes.most_common(1)[0]
        if most < sizes.total() or max(height, width) > LARGEST_AUTO:
            aspect = float(np.median(np.repeat([h / w for h, w in sizes], list(sizes.values()))))
            side = min(AUTO_SIDE, max(max(pair) for pair in sizes))
            size = (side, max(round(side / aspect), 1)) if aspect >= 1 else (max(round(side * aspect), 1), side)
            notes.append(f"{len(sizes)} sizes were found; {size[0]}x{size[1]} was chosen, --size HxW takes another")
        else:
            size = height, width
    if {(s.height, s.width) for s in shapes} != {size}:
        notes.append("other sizes are scaled until they cover this one, and cut to their centre")
    modes = {s.mode for s in shapes}
    if odd := next((m for m in modes if m not in MODES), None):
        if mode is not None or len(modes) > 1:
            raise UsageError(f"arrays of {odd} train as they are, alone and without --mode")
        return Shape(*size, odd), notes
    if mode is None:
        mode = "L" if modes <= {"L", "LA"} else "RGB"
        if modes & {"LA", "RGBA"}:
            notes.append(
                f"transparency is laid over white; --mode {'LA' if mode == 'L' else 'RGBA'} keeps it as a channel"
            )
        if len(modes) > 1:
            notes.append(f"{len(modes)} modes were found ({', '.join(sorted(modes))}); all become {mode}")
    return Shape(*size, mode), notes


def _sort_out(found: Found, outcomes: list[Outcome]) -> tuple[list[int], dict[str, list[str]]]:
    """The rows to use, and the names left out by reason; equal files count once."""
    left_out: dict[str, list[str]] = {}
    for left in found.left_out:
        left_out.setdefault(left.why, []).append(left.name)
    usable: list[int] = []
    seen: set[str] = set()
    for row, (item, outcome) in enumerate(zip(found.items, outcomes, strict=True)):
        if outcome.why:
            left_out.setdefault(outcome.why, []).append(item.name)
        elif found.drops_duplicates and outcome.digest in seen:
            left_out.setdefault("is a duplicate of another file", []).append(item.name)
        else:
            seen.add(outcome.digest)
            usable.append(row)
    return usable, left_out


def _labels(found: Found, usable: list[int]) -> tuple[NDArray[np.int64], list[str]]:
    given = [found.items[row].label for row in usable]
    classes = sorted({label for label in given if label is not None}, key=natural)
    number = {name: k for k, name in enumerate(classes)}
    return np.array([-1 if label is None else number[label] for label in given], np.int64), classes


def _fingerprint(found: Found, outcomes: list[Outcome], usable: list[int], shape: Shape) -> str:
    digest = hashlib.blake2b(json.dumps([VERSION, found.format, shape]).encode(), digest_size=16)
    for row in usable:
        item = found.items[row]
        text = json.dumps([item.name, item.split, item.label, outcomes[row].digest])
        digest.update(text.encode())
    return digest.hexdigest()


def _keep(building: Path, final: Path) -> None:
    """Give the finished cache its name, unless another process was faster with the same content."""
    with saying(final):
        try:
            os.rename(building, final)
        except OSError:
            if not (final / "meta.json").exists():
                raise


def _sweep(folder: Path) -> None:
    """Remove what killed builds left behind."""
    for left in folder.glob(".building-*"):
        pid = int(left.name.split("-")[1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            remove(left)
        except (OSError, OverflowError):  # alive but another user's, or Windows
            continue
