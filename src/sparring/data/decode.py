"""Bytes of an image file -> a row of uint8; one by one, or on all cores.

Workers are plain subprocesses (`python -m sparring.data.decode`), not `multiprocessing`: that would run a user's
script again, or fork a process full of threads. A job is one JSON line in; what became of it, JSON lines out.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sparring.data.container import Container, open_container
from sparring.data.found import Outcome, Rows, Shape
from sparring.engine.errors import SparringError

MOST_PIXELS = 100_000_000
"""A larger image is refused as a decompression bomb."""
FEW = 400
"""Up to so many images are decoded in this process: starting others would take longer."""

Image.MAX_IMAGE_PIXELS = None  # our own limit, checked on the header before any pixel is decoded


def header(content: bytes) -> Shape:
    """Size (as shown, after EXIF rotation) and mode of an image file. Raises on what is no image."""
    with _open(content) as image:
        width, height = image.size
        if image.getexif().get(0x0112, 1) >= 5:  # the orientations that lie on their side
            width, height = height, width
        return Shape(height, width, _mode(image))


def decode(content: bytes, shape: Shape) -> NDArray[np.uint8]:
    """An image file as `[H, W, C]`: first frame, EXIF rotation applied, scaled to cover `shape`, centre cropped."""
    with _open(content) as image:
        image.draft("RGB" if shape.mode == "RGB" else None, (shape.width, shape.height))  # cheap down-scaling of JPEG
        upright = ImageOps.exif_transpose(_to_mode(image, shape.mode))
        if upright.size != (shape.width, shape.height):
            upright = ImageOps.fit(upright, (shape.width, shape.height), Image.Resampling.LANCZOS)
        return np.asarray(upright).reshape(shape.height, shape.width, -1)


def _open(content: bytes) -> Image.Image:
    if not content:
        raise ValueError("is empty (zero bytes)")
    try:
        image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise ValueError("is no image that Pillow knows") from None
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"is an image of {image.width} x {image.height}: more than {MOST_PIXELS:,} pixels, refused")
    return image


def _mode(image: Image.Image) -> str:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return "LA" if image.mode in ("LA", "L", "1", "La") else "RGBA"
    return "L" if image.mode in ("1", "L", "F") or image.mode.startswith("I") else "RGB"


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit (and wider) grey: scaled, where Pillow would clip
        values = np.asarray(image, np.float64)
        top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=0)), 1.0)
        image = Image.fromarray((values * (255 / top)).clip(0, 255).round().astype(np.uint8))
    if mode in ("L", "RGB") and _mode(image) in ("LA", "RGBA"):  # what is transparent shows the page, which is white
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return image if image.mode == mode else image.convert(mode)


def decode_all(
    container: Container,
    names: Sequence[str],
    rows: Rows,
    shape: Shape,
    tell: Callable[[int], None],
    workers: int | None = None,
) -> list[Outcome]:
    """Decode `names` into `rows` (a memory map of a file), on all cores where there are many."""
    workers = min(cores(), len(names) // FEW) if workers is None else workers
    if workers < 2:
        outcomes: list[Outcome] = []
        for done in _decode_some(container, enumerate(names), rows, shape):
            outcomes += [Outcome(digest, why) for _, digest, why in done]
            tell(len(outcomes))
        return outcomes
    return _decode_on(workers, container, names, rows, shape, tell)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_Done = list[tuple[int, str, str]]  # row, digest, why not


def _decode_some(container: Container, jobs: Iterable[tuple[int, str]], rows: Rows, shape: Shape) -> Iterable[_Done]:
    done: _Done = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what cannot be used is reported
        for row, name in jobs:
            digest = why = ""
            try:
                content = container.read(name)
                rows[row] = decode(content, shape)
                digest = hashlib.blake2b(content, digest_size=16).hexdigest()
            except Exception as error:  # one bad file, however bad, never ends the work
                why = _first_line(error)
            done.append((row, digest, why))
            if len(done) == 256:
                yield done
                done = []
    yield done


def _first_line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _decode_on(
    workers: int, container: Container, names: Sequence[str], rows: Rows, shape: Shape, tell: Callable[[int], None]
) -> list[Outcome]:
    outcomes = [Outcome(why="was not reached")] * len(names)
    target = str(rows.filename)  # type: ignore[attr-defined]
    lock, count = threading.Lock(), 0

    def listen(process: subprocess.Popen[str], job: str) -> None:
        nonlocal count
        assert process.stdin and process.stdout
        process.stdin.write(job)
        process.stdin.close()
        for line in process.stdout:
            done: _Done = json.loads(line)
            for row, digest, why in done:
                outcomes[row] = Outcome(digest, why)
            with lock:
                count += len(done)
                tell(count)

    listeners, processes = [], []
    for k in range(workers):
        mine = list(enumerate(names))[k::workers]
        job = {"container": str(container.path), "jobs": mine, "shape": shape, "rows": target, "count": len(rows)}
        process = subprocess.Popen(
            [sys.executable, "-m", "sparring.data.decode"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        processes.append(process)
        listeners.append(threading.Thread(target=listen, args=(process, json.dumps(job)), daemon=True))
        listeners[-1].start()
    try:
        for listener in listeners:
            listener.join()
    finally:
        for process in processes:
            if any(thread.is_alive() for thread in listeners):
                process.kill()
            process.wait()
    if failed := [process.returncode for process in processes if process.returncode]:
        raise SparringError(
            f"a decoding process for {container.path} ended with code {failed[0]}: out of memory or killed"
        )
    return outcomes


def _work() -> None:
    job = json.loads(sys.stdin.read())
    shape = Shape(*job["shape"])
    size = (
        job["count"],
        *np.zeros((shape.height, shape.width, 0)).shape[:2],
        len(Image.new(shape.mode, (1, 1)).getbands()),
    )
    rows = np.memmap(job["rows"], np.uint8, "r+", shape=size)
    for done in _decode_some(open_container(Path(job["container"])), job["jobs"], rows, shape):
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _work()
