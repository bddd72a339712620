"""Bytes of an image file -> a row of uint8; one by one, or on all cores.

Workers are plain subprocesses (`python -m sparring.data.images.decode`), not `multiprocessing`: that would run a user's
script again, or fork a process full of threads. A job is one JSON line in; what became of it, JSON lines out.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from sparring.data.files.archive import Container, Folder, Unreadable
from sparring.data.files.archive_set import ArchiveSet
from sparring.data.files.name_encoding import Renamed
from sparring.data.files.packed import Tar, Zip
from sparring.data.files.signatures import HEAD_BYTES, Signature, what_is
from sparring.data.images.high_bit_depth import is_wide, raw_mode, to_picture, wide_values, without_alpha
from sparring.data.mmap_io import let_go
from sparring.data.reader_api import MODES, Extent, ReadResult, Shape
from sparring.data.tables.parquet_cells import Cells
from sparring.engine.errors import SparringError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparring.data.images.scale import Scales
    from sparring.data.reader_api import Rows

MOST_PIXELS = 100_000_000
"""A larger image is refused as a decompression bomb."""
TRIED, WORTH = 64, 0.6
"""Images that this process decodes, and seconds that the rest may take it: beyond that, other processes are started."""
FORMATS = (
    "JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "ICO", "PCX", "DIB", "TGA", "AVIF"
)  # fmt: skip
"""Pillow's names. Others are not tried: EPS, say, would start Ghostscript on what a stranger wrote."""
TIFF_HEADS = b"II*\0", b"MM\0*"
TIFF = Signature("a TIFF of bands or numbers that Pillow cannot decode", "save the images as [N, H, W, C] in an .npz")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs about such files is reported once for all
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""EXIF orientation -> what undoes it."""
MAY_TELL = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
"""Where Pillow puts what may hold an orientation."""


class Unusable(ValueError):
    """An image that is refused, in words that follow its name."""


def header(content: bytes) -> Shape:
    """Size (as shown, after EXIF rotation) and mode of an image file. Raises on what is no image."""
    with _open(content) as image:
        width, height = image.size
        if _orientation(image) >= 5:  # lies on its side
            width, height = height, width
        return Shape(height, width, _mode(image))


def pages_of(content: bytes) -> int:
    """Return the number of pictures in an image file; raises on what is no image."""
    with _open(content) as image:
        return int(getattr(image, "n_frames", 1))


def decode(content: bytes, shape: Shape, scales: Scales | None = None) -> tuple[bytes, Extent | None]:
    """Decode an image into the bytes of `[H, W, C]`: first frame, upright, scaled to cover `shape`, centre cropped.

    Of an image of more than 8 bits the range of its values is returned, too; without `scales` for them, no bytes are.
    """
    size = shape.width, shape.height
    extent = None
    with _open(content) as image:
        if image.format == "JPEG" and min(image.size) >= 2 * max(size):
            image.draft(None, (max(size), max(size)))  # scaled down while it is decoded, which is cheap
        source = image
        if is_wide(image):
            image, extent = _read_wide(image, content, scales)
            if scales is None:
                return b"", extent
        else:
            image.load()
        orientation = _orientation(source)
        picture = to_mode(image, shape.mode)
        if orientation in UPRIGHT:
            picture = picture.transpose(UPRIGHT[orientation])
        if picture.size != size:
            picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
        return picture.tobytes(), extent


def alpha_of(content: bytes) -> NDArray[np.uint8 | np.uint16]:
    """Return the alpha channel `[H, W]` of an image file, of 16 bits where it has these; raises on what is no image."""
    import numpy as np

    with _open(content) as image:
        if is_wide(image):
            colours, alpha = without_alpha(wide_values(image, lambda: _open(content)), _mode(image))
            return np.full(colours.shape[:2], 255, np.uint8) if alpha is None else alpha
        return np.asarray(image.convert("RGBA"))[..., 3]


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Return the picture in another mode; transparency that goes is laid over white."""
    if image.mode == mode and "transparency" not in image.info:
        return image
    if mode in ("L", "RGB") and _mode(image) in ("LA", "RGBA"):
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return image if image.mode == mode else image.convert(mode)


def _open(content: bytes) -> Image.Image:
    if not content:
        raise Unusable("is empty (zero bytes)")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, KeyError):  # KeyError: a format that this Pillow was built without
        what = TIFF if content[:4] in TIFF_HEADS else what_is(content[:HEAD_BYTES])
        raise Unusable(str(what) if what else "is no image that Pillow knows") from None
    except Image.DecompressionBombError:
        raise Unusable(f"is an image of more than {MOST_PIXELS:,} pixels: refused") from None
    if image.width * image.height > MOST_PIXELS:
        raise Unusable(f"is an image of more than {MOST_PIXELS:,} pixels: refused")
    return image


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF" or MAY_TELL.isdisjoint(image.info):
        return 1  # Pillow turns a TIFF by itself; elsewhere there is no EXIF to parse
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # torn EXIF raises anything; the picture itself may be whole
        return 1


def _mode(image: Image.Image) -> str:
    if raw_mode(image) == "LA;16B":  # which Pillow opens as RGBA
        return "LA"
    if image.mode.startswith("I") or image.mode == "F":
        return "L"
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return "LA" if image.mode in ("LA", "L", "1", "La") else "RGBA"
    return "L" if image.mode in ("1", "L") else "RGB"


def _read_wide(image: Image.Image, content: bytes, scales: Scales | None) -> tuple[Image.Image, Extent]:
    """Return a picture of more than 8 bits scaled to bytes, and its range; without `scales` the range alone counts."""
    from sparring.data.images.scale import extent_of  # late, with NumPy: few workers need it

    colours, alpha = without_alpha(wide_values(image, lambda: _open(content)), _mode(image))
    try:
        extent = extent_of(colours)
    except ValueError as error:
        raise Unusable(str(error)) from None
    if scales is None:
        return image, extent
    scale = scales.of(extent)
    if alpha is None:
        return to_picture(scale(colours), None), extent
    band = alpha.max(initial=0) <= scale.high  # a channel of data, with the range of the others
    return to_picture(scale(colours), scale(alpha) if band else (alpha >> 8).astype("uint8")), extent


def decode_all(
    container: Container,
    names: Sequence[str],
    rows: Rows | None,
    shape: Shape,
    on_progress: Callable[[int], None],
    workers: int | None = None,
    *,
    numbers: Sequence[int] | None = None,
    scales: Scales | None = None,
) -> list[ReadResult]:
    """Decode `names` into `rows` (a memory map of a file; None: nowhere), on all cores where that is faster.

    `numbers` are the rows to write, in place of the first ones. Images of more than 8 bits are written by `scales`;
    without these their result tells their range, and nothing is written.
    """
    workers = cores() if workers is None else workers
    work = _Work(container, names, range(len(names)) if numbers is None else numbers, shape, scales)
    outcomes: list[ReadResult] = []
    start = time.monotonic()
    flat = None if rows is None else rows.reshape(-1).data

    def put(row: int, data: bytes) -> None:
        if flat is not None:
            flat[row * len(data) : (row + 1) * len(data)] = data

    for outcome in _decode_each(work, put):
        outcomes.append(outcome)
        done, spent = len(outcomes), time.monotonic() - start
        if done % 256 == 0:
            if rows is not None:
                let_go(rows)
            on_progress(done)
        if done == TRIED and workers > 1 and spent / done * (len(names) - done) > WORTH and sys.executable:
            return outcomes + _decode_on(workers, work, done, rows, on_progress)
    on_progress(len(outcomes))
    return outcomes


class _Work(NamedTuple):
    """Images to decode, and how."""

    container: Container
    names: Sequence[str]
    numbers: Sequence[int]
    """Row of each."""
    shape: Shape
    scales: Scales | None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _decode_each(work: _Work, put: Callable[[int, bytes], None]) -> Iterator[ReadResult]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what cannot be used is reported
        for row, name in zip(work.numbers, work.names, strict=True):
            try:
                content = work.container.read(name)
                data, extent = decode(content, work.shape, work.scales)
            except Exception as error:  # one bad file, however bad, never ends the work
                yield ReadResult(reason=_reason(error))
            else:
                if data:
                    put(row, data)
                yield ReadResult(hashlib.blake2b(content, digest_size=16).hexdigest(), extent=extent)


def _reason(error: Exception) -> str:
    """Why a file is left out, in words that follow its name and are the same for all files of the same fate."""
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, Unreadable):
        return error.reason
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if "truncated" in str(error).lower():
        return "is truncated"
    text = str(error).strip().splitlines()
    return f"cannot be decoded: {text[0] if text else type(error).__name__}"


def _decode_on(
    workers: int, work: _Work, first: int, rows: Rows | None, on_progress: Callable[[int], None]
) -> list[ReadResult]:
    """Outcomes of the images from `first` on; each worker takes a stretch of its own."""
    container, names, numbers, shape, scales = work
    lock, count = threading.Lock(), first
    file = os.devnull if rows is None else str(rows.filename)  # type: ignore[attr-defined]
    ends = [first + (len(names) - first) * k // workers for k in range(workers + 1)]
    outcomes: list[list[ReadResult]] = [[] for _ in range(workers)]

    def listen(k: int, process: subprocess.Popen[str], job: str) -> None:
        nonlocal count
        assert process.stdin and process.stdout
        with suppress(OSError, ValueError):  # the process died: its exit code is looked at below
            process.stdin.write(job)
            process.stdin.close()
            for line in process.stdout:
                done = [_result(*fields) for fields in json.loads(line)]
                outcomes[k] += done
                with lock:
                    count += len(done)
                    on_progress(count)

    processes, listeners = [], []
    try:
        for k in range(workers):
            mine = names[ends[k] : ends[k + 1]]
            job = {"ticket": container.ticket(mine), "names": mine, "numbers": list(numbers[ends[k] : ends[k + 1]]),
                   "shape": shape, "scales": scales, "rows": file}  # fmt: skip
            processes.append(_start_worker())
            listeners.append(threading.Thread(target=listen, args=(k, processes[k], json.dumps(job)), daemon=True))
            listeners[k].start()
        for listener in listeners:
            listener.join()
    finally:
        for k, process in enumerate(processes):
            if k >= len(listeners) or listeners[k].is_alive():
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):
                    pipe.close()  # type: ignore[union-attr]
    if failed := [process.returncode for process in processes if process.returncode]:
        raise SparringError(
            f"a decoding process for {container.path} ended with code {failed[0]}: out of memory or disk, or killed. "
            "The same command begins anew"
        )
    return [outcome for some in outcomes for outcome in some]


def _result(digest: str, reason: str, extent: list[Any] | None) -> ReadResult:
    return ReadResult(digest, reason, Extent(*extent) if extent else None)


def _start_worker() -> subprocess.Popen[str]:
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sparring.data.images.decode"],  # -P: a json.py in the user's folder is not ours
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def reopen(ticket: dict[str, Any]) -> Container:
    """Return the container that gave this ticket, in another process."""
    path = Path(ticket["path"])
    match ticket["kind"]:
        case "zip":
            return Zip(path)
        case "tar":
            return Tar(path, ticket["places"])
        case "cells":
            return Cells(path, ticket["tables"], ticket["column"])
        case "archive_set":
            return ArchiveSet(path, {folder: reopen(part) for folder, part in ticket["parts"].items()})
        case "renamed":
            return Renamed(reopen(ticket["whole"]), ticket["names"], ticket["encoding"], ())
        case _:
            return Folder(path)


def _work() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the process that started this one sees to it
    gc.set_threshold(100_000)  # Pillow leaves little behind, and looking for it often costs 7 %
    job = json.loads(sys.stdin.read())
    shape = Shape(*job["shape"])
    work = _Work(reopen(job["ticket"]), job["names"], job["numbers"], shape, _scales(job["scales"]))
    length, at = shape.height * shape.width * MODES[shape.mode], -1
    done: list[ReadResult] = []
    with open(job["rows"], "r+b", buffering=1 << 20) as file:  # row after row: cheaper than through a memory map

        def put(row: int, data: bytes) -> None:
            nonlocal at
            if row != at:
                file.seek(row * length)
            file.write(data)
            at = row + 1

        for outcome in _decode_each(work, put):
            done.append(outcome)
            if len(done) == 256:
                print(json.dumps(done), flush=True)
                done = []
    print(json.dumps(done), flush=True)


def _scales(pairs: list[list[float]] | None) -> Scales | None:
    if pairs is None:
        return None
    from sparring.data.images.scale import Scale, Scales

    return Scales(*(Scale(*pair) for pair in pairs))


if __name__ == "__main__":
    try:
        _work()
    except BrokenPipeError:  # the reading process has ended
        os._exit(0)
    except OSError as error:  # the disk is full, say
        sys.exit(f"sparring: a decoding process cannot go on: {error}")
