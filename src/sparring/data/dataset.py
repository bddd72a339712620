"""A source as one array of bytes in a file, built once and kept; the second open takes no time."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.archive import Folder, is_packed_tar, natural, open_container, unpacked
from sparring.data.labels import contradictions, some_labels
from sparring.data.mmap_io import RowFile
from sparring.data.reader_api import MODES, RawDataset, ReadResult, Shape
from sparring.data.registry import DIGITS
from sparring.data.resolve import cache_folder, find, find_digits, local, locate
from sparring.data.stale_lock import is_abandoned, owner
from sparring.engine.atomic_io import explain_os_errors, remove, write
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import SparringError, UsageError

VERSION = 3
"""Of the cache's layout and of the way images are decoded; part of every key."""
LARGEST_AUTO, AUTO_SIDE = 128, 64
"""Images of one size up to 128 are taken as they are; others are brought to 64 on the longer side, unless told."""
MOSTLY = 0.9
"""This share of one size makes it the size: the few others are scaled."""
UNSPLIT: dict[str, Literal[0, 1]] = {"train": 0, "test": 1}


@dataclass(frozen=True)
class SourceReport:
    """What was found, used and left out."""

    source: str
    format: str
    used: int
    skipped: dict[str, list[str]]
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
    vectors: int = 0
    """Numbers told with each image, where its label is a vector."""


class Dataset:
    """Images `[N, H, W, C]` in a file, with labels and splits; memory does not grow with their number.

    Index it with a whole-number array for uint8 rows. `Dataset` are opened by `open_images`.
    """

    def __init__(
        self,
        folder: Path,
        report: SourceReport,
        split: Literal["train", "test"] | None = "train",
        label_fraction: float | None = None,
        *,
        vectors: bool = True,
    ) -> None:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.report = report
        self.fingerprint: str = self.report.fingerprint
        height, width, channels = self.report.shape
        rows, labels, splits = (np.load(folder / f"{name}.npy") for name in ("rows", "labels", "splits"))
        chosen = np.ones(len(rows), bool) if split is None else splits == UNSPLIT[split]
        self._chosen = chosen
        self.rows: NDArray[np.int64] = rows[chosen]
        self.labels: NDArray[np.int64] = labels[chosen]
        self.label_fraction = label_fraction
        self.vectors: NDArray[np.float32] | None = None
        """Numbers told with each image, `[N, K]`; None where there are none."""
        condition_stats: tuple[tuple[float, float], ...] = ()
        if vectors and self.report.vectors:
            told = np.load(folder / "vectors.npy")
            self.vectors = told[chosen]
            condition_stats = _spread(told[splits == UNSPLIT["train"]])
        if label_fraction is not None:
            if self.report.vectors:
                raise UsageError("--label-fraction is for classes: the labels of these images are vectors")
            self.labels = some_labels(self.labels, label_fraction)
        unlabelled = int((self.labels < 0).sum())
        classes = tuple(self.report.classes) if unlabelled < len(self.rows) else ()
        hidden = unlabelled if classes else 0
        self.spec = ImageSpec(height, width, channels, classes, len(self.rows), hidden, condition_stats)
        self._pixels = RowFile(folder / "pixels.u8", height * width * channels, meta["rows"])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        rows = self.rows[index]
        picked = np.empty((len(rows), *self.report.shape), np.uint8)
        self._pixels.read(rows.tolist(), picked)
        return picked

    def conditions(self, index: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.float32]:
        """What players are told of these rows: vectors float32 `[B, K]` where there are any, else labels int64 `[B]`."""
        return self.labels[index] if self.vectors is None else self.vectors[index]

    def split(self, name: Literal["train", "test"] | None) -> Dataset:
        """The same data, another split ("train", "test", or None for all)."""
        return Dataset(self.folder, self.report, name, self.label_fraction, vectors=self.vectors is not None)

    def without_vectors(self) -> Dataset:
        """The same training images, unlabelled where their labels are vectors."""
        return Dataset(self.folder, self.report, label_fraction=self.label_fraction, vectors=False)

    def with_labels(self, fraction: float | None) -> Dataset:
        """The same images, as if only this share of the labels were known; None: all that are there."""
        return Dataset(self.folder, self.report, label_fraction=fraction)

    def relabelled(self, labels: NDArray[np.int64], classes: tuple[str, ...]) -> Dataset:
        """The same images of this split with these labels `[N]` (-1: none), which are numbers of `classes`."""
        images = copy.copy(self)
        images.labels = labels
        hidden = int((labels < 0).sum()) if classes else 0
        images.spec = replace(self.spec, classes=classes, unlabelled=hidden)
        return images

    @cached_property
    def names(self) -> list[str]:
        """What each image is called in its source: a file's path, or `array[row]`."""
        every = json.loads((self.folder / "names.json").read_text(encoding="utf-8"))
        return [name for name, chosen in zip(every, self._chosen, strict=True) if chosen]

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Labelled images of each class in this split."""
        return tuple(np.bincount(self.labels[self.labels >= 0], minlength=len(self.spec.classes)).tolist())


def _spread(vectors: NDArray[np.float32]) -> tuple[tuple[float, float], ...]:
    """Mean and deviation of each column; 1 in place of the deviation where there is none."""
    mean, deviation = vectors.mean(0, np.float64), vectors.std(0, np.float64)
    deviation[deviation == 0] = 1
    return tuple(zip(mean.tolist(), deviation.tolist(), strict=True))


def open_images(
    source: str | Path,
    size: tuple[int, int] | None = None,
    mode: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
    *,
    keep_duplicates: bool = False,
) -> Dataset:
    """Open SOURCE for training: a folder, an archive, a file, a URL or a known name.

    `size` (height, width) and `mode` ("L", "LA", "RGB", "RGBA") are chosen where None. `tell(done, of)` follows the
    building of the cache. Equal files count once, unless `keep_duplicates`: samples are what they are. Raises
    SparringError with what was found where nothing is usable.
    """
    if size is not None and not all(1 <= side <= 16384 for side in size):
        raise UsageError(f"size {size[0]}x{size[1]} is out of range: each side is 1 to 16384")
    if mode is not None and mode not in MODES:
        raise UsageError(f"unknown mode '{mode}': one of {', '.join(MODES)}")
    cache = cache_folder()
    digits = str(source) == DIGITS and local(DIGITS) is None
    path, notes = (Path(DIGITS), []) if digits else locate(source)
    files = Folder(path)  # an archive counts as one file, until there is need to look into it
    asked = json.dumps(
        [VERSION, str(source), DIGITS if digits else files.key(), size, mode, *["whole"] * keep_duplicates]
    )
    index = cache / "index" / f"{hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()}.json"
    if images := _opened(cache, index):
        return images
    with _explaining(cache):
        (cache / "data").mkdir(parents=True, exist_ok=True)
        _sweep(cache / "data")
        building = cache / "data" / f".building-{uuid.uuid4().hex[:8]}-{owner()}"
        building.mkdir()
    try:
        if not digits and is_packed_tar(path):
            path = unpacked(path, building / "unpacked.tar")
        container = files if path.is_dir() else open_container(path)
        found = find_digits() if digits else find(container, str(source))
        once = found.drops_duplicates and not keep_duplicates
        report = _build(found, str(source), building, size, mode, notes, once, on_progress)
        remove(building / "unpacked.tar")
        _keep(building, cache / "data" / report.fingerprint, report)
    finally:
        remove(building)
    with _explaining(cache):
        write(index, json.dumps(asdict(report)))
    return Dataset(cache / "data" / report.fingerprint, report)


def _opened(cache: Path, index: Path) -> Dataset | None:
    """What an earlier open built; None where nothing did, or where it is damaged."""
    try:
        report = SourceReport(**json.loads(index.read_text(encoding="utf-8")))
        shape = tuple(int(side) for side in report.shape)
        return Dataset(cache / "data" / report.fingerprint, replace(report, shape=(shape[0], shape[1], shape[2])))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError):
        return None


@contextmanager
def _explaining(cache: Path) -> Iterator[None]:
    """Name the cache, and the way out, where it cannot be written."""
    try:
        with explain_os_errors(cache):
            yield
    except SparringError as error:
        raise SparringError(f"{error} for the cache of decoded data: set SPARRING_CACHE to a folder") from error


def parse_size(size: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """`"HxW"`, or one number for a square, as (height, width)."""
    if not isinstance(size, str):
        return size
    parts = size.lower().split("x")
    if not (len(parts) in (1, 2) and all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts)):
        raise UsageError(f"--size {size} is not understood: write HxW, 64x48 say, or one number for a square")
    return int(parts[0]), int(parts[-1])


def _build(
    found: RawDataset,
    source: str,
    folder: Path,
    size: tuple[int, int] | None,
    mode: str | None,
    notes: list[str],
    once: bool,
    on_progress: Callable[[int, int], None],
) -> SourceReport:
    """Write pixels, labels and meta of `found` into `folder`; `once`: equal files count once."""
    if not found.items:
        raise _nothing(source, found, [(left.name, left.reason) for left in found.skipped])
    shapes = found.survey()
    shape, chosen = choose_shape(shapes, size, mode) if shapes else (Shape(1, 1, "L"), [])
    channels = MODES.get(shape.mode) or int(shape.mode.split()[0])
    full = len(found.items), shape.height, shape.width, channels
    needed, free = math.prod(full), shutil.disk_usage(folder).free
    if needed > free * 0.95:
        raise SparringError(
            f"the cache of {source} needs {needed / 1e9:.1f} GB, the disk of {folder.parent} has {free / 1e9:.1f} GB free: "
            "make room, set SPARRING_CACHE to another disk, or take a smaller --size"
        )
    with explain_os_errors(folder):
        pixels = _reserved(folder / "pixels.u8", full)
        on_progress(0, full[0])
        outcomes = found.ingest(pixels, shape, lambda done: on_progress(done, full[0]))
        usable, skipped = _sort_out(found, outcomes, once)
        if not usable or not shapes:
            failed = [(item.name, outcome.reason) for item, outcome in zip(found.items, outcomes, strict=True)]
            raise _nothing(source, found, failed)
        labels, classes = _labels(found, usable)
        chosen += contradictions(found.items, outcomes, usable) if once else []
        splits = np.array([UNSPLIT[found.items[row].split] for row in usable], np.uint8)
        if splits.all():
            splits[:] = 0
            chosen.append("all images are marked as test: they are trained on")
        counts = Counter(labels.tolist())
        report = SourceReport(
            source, found.format, len(usable), skipped, (shape.height, shape.width, channels), shape.mode,
            {f"{s.height}x{s.width} {s.mode}": count for s, count in shapes.most_common()},
            {name: counts[k] for k, name in enumerate(classes)}, counts[-1],
            {name: int((splits == k).sum()) for name, k in UNSPLIT.items()},
            [*notes, *found.notes, *chosen], _fingerprint(found, outcomes, usable, shape),
            0 if found.vectors is None else found.vectors.shape[1],
        )  # fmt: skip
        arrays: dict[str, NDArray[Any]] = {"rows": np.array(usable, np.int64), "labels": labels, "splits": splits}
        for name, array in (arrays if found.vectors is None else {**arrays, "vectors": found.vectors[usable]}).items():
            np.save(folder / f"{name}.npy", array)
        names = [found.items[row].name for row in usable]
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
        (folder / "meta.json").write_text(json.dumps({"version": VERSION, "rows": full[0]}), encoding="utf-8")
    return report


def _reserved(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A memory map of a new file whose place on the disk is taken: a page without one would kill the process."""
    with open(path, "wb") as file:
        file.truncate(math.prod(shape))
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, math.prod(shape))
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _nothing(source: str, found: RawDataset, skipped: list[tuple[str, str]]) -> SparringError:
    first = f" (the first: {skipped[0][0]} {skipped[0][1]})" if skipped else ""
    return SparringError(
        f"nothing usable in {source}: {len(found.items)} files that may be images, none readable{first}"
    )


def choose_shape(shapes: Counter[Shape], size: tuple[int, int] | None, mode: str | None) -> tuple[Shape, list[str]]:
    """The shape to train in, of those that were found, and what to say about the choice."""
    notes = []
    sizes = Counter({(s.height, s.width): 0 for s in shapes})
    for s, count in shapes.items():
        sizes[s.height, s.width] += count
    if size is None:
        (height, width), most = sizes.most_common(1)[0]
        if most < MOSTLY * sizes.total() or max(height, width) > LARGEST_AUTO:
            aspect = float(np.median(np.repeat([h / w for h, w in sizes], list(sizes.values()))))
            side = min(AUTO_SIDE, max(max(pair) for pair in sizes))
            size = (side, max(round(side / aspect), 1)) if aspect >= 1 else (max(round(side * aspect), 1), side)
            found = f"{len(sizes)} sizes were found" if len(sizes) > 1 else f"all images are {height}x{width}"
            notes.append(f"{found}; {size[0]}x{size[1]} was chosen, --size HxW takes another")
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


def _sort_out(found: RawDataset, outcomes: list[ReadResult], once: bool) -> tuple[list[int], dict[str, list[str]]]:
    """The rows to use, and the names left out by reason; `once`: of equal files one is used, the first that has a label or else the first."""
    skipped: dict[str, list[str]] = {}
    for left in found.skipped:
        skipped.setdefault(left.reason, []).append(left.name)
    usable: list[int] = []
    order = sorted(range(len(outcomes) - 1, -1, -1), key=lambda row: found.items[row].label is not None)
    kept = {outcomes[row].digest: row for row in order}  # what counts comes last
    for row, (item, outcome) in enumerate(zip(found.items, outcomes, strict=True)):
        if outcome.reason:
            skipped.setdefault(outcome.reason, []).append(item.name)
        elif once and kept[outcome.digest] != row:
            skipped.setdefault("is a duplicate of another file", []).append(item.name)
        else:
            usable.append(row)
    return usable, skipped


def _labels(found: RawDataset, usable: list[int]) -> tuple[NDArray[np.int64], list[str]]:
    given = [found.items[row].label for row in usable]
    classes = sorted({label for label in given if label is not None}, key=natural)
    number = {name: k for k, name in enumerate(classes)}
    return np.array([-1 if label is None else number[label] for label in given], np.int64), classes


def _fingerprint(found: RawDataset, outcomes: list[ReadResult], usable: list[int], shape: Shape) -> str:
    digest = hashlib.blake2b(json.dumps([VERSION, found.format, shape]).encode(), digest_size=16)
    for start in range(0, len(usable), 4096):
        some = [[*found.items[row], outcomes[row].digest] for row in usable[start : start + 4096]]
        digest.update(json.dumps(some).encode())
    if found.vectors is not None:
        digest.update(found.vectors[usable].tobytes())
    return digest.hexdigest()


def _keep(building: Path, final: Path, report: SourceReport) -> None:
    """Give the finished cache its name, unless another process was faster with the same content."""
    with explain_os_errors(final):
        try:
            os.rename(building, final)
        except OSError:
            try:
                Dataset(final, report)
            except (OSError, ValueError, KeyError, TypeError, EOFError):  # damaged: ours takes its place
                remove(final)
                os.rename(building, final)


def _sweep(folder: Path) -> None:
    """Remove what killed builds left behind."""
    for left in folder.glob(".building-*"):
        if is_abandoned(left, left.name.removeprefix(".building-").partition("-")[2]):
            remove(left)
