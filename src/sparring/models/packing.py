"""Lossless compression of images by the conditional distributions of a density model.

A file holds a magic number, a compressed JSON header, one check byte an image, and blocks of code (`engine.rans`).
Encoder and decoder compute the same distributions by the same steps, in batches of one size with one number of threads.
"""

from __future__ import annotations

import hashlib
import json
import platform
import struct
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.rans import Decoder, Exhausted, counts_of, encode, intervals
from sparring.models.density import DensityModel
from sparring.models.saved import model_folder
from sparring.nets.density_net import Codes

MAGIC = b"sparring-pack-1\n"
MAX_LANES = 256
"""Most images that are coded side by side."""
LANE_VALUES = 32_000
"""Values for each lane, which costs 4 bytes: below 1 % of the code of binary digits."""
MAX_IMAGES, MAX_THREADS = 1 << 31, 1024
"""Most images of a file, and most threads, that a header may name."""
BLOCK_SYMBOLS = 1 << 23
"""Values in a block of code, about: the encoder holds two numbers of each."""

Rows = NDArray[np.uint8]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class PackedFile:
    """Content of a packed file."""

    header: dict[str, Any]
    """Model, shape, number of images, lanes, threads, blocks, names."""
    checks: bytes
    """Lowest byte of the CRC-32 of each image."""
    blocks: list[bytes]

    def to_bytes(self) -> bytes:
        """Return the file."""
        header = zlib.compress(json.dumps(self.header, separators=(",", ":")).encode(), 9)
        start = MAGIC + struct.pack("<II", len(header), zlib.crc32(header + self.checks))
        return b"".join([start, header, self.checks, *self.blocks])

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> PackedFile:
        """Read a file called `name`; raise SparringError where it is none, cut off or altered."""
        if not content.startswith(MAGIC):
            raise UsageError(f"{name} is no packed file of Sparring: `sparring pack` writes them")
        try:
            start = len(MAGIC) + 8
            size, crc = struct.unpack("<II", content[len(MAGIC) : start])
            packed = content[start : start + size]
            header = json.loads(zlib.decompress(packed))
            end = start + size + header["count"]
            checks = content[start + size : end]
            damaged = zlib.crc32(packed + checks) != crc or not _is_valid(header)
        except (struct.error, zlib.error, ValueError, KeyError, TypeError) as error:
            raise SparringError(f"{name} is damaged in its header ({error}): pack the images anew") from error
        if damaged:
            raise SparringError(f"{name} is damaged in its header or checks: pack the images anew")
        blocks = []
        for number, block in enumerate(header["blocks"]):
            blocks.append(code := content[end : end + block["bytes"]])
            end += block["bytes"]
            if zlib.crc32(code) != block["crc"]:
                what = "cut off" if len(code) < block["bytes"] else "altered"
                raise SparringError(f"{name} is {what} in block {number + 1} of {len(header['blocks'])}: pack anew")
        if end != len(content):
            raise SparringError(f"{name} has {len(content) - end} bytes after its end: it was altered")
        return cls(header, checks, blocks)


def _is_valid(header: dict[str, Any]) -> bool:
    """Return True where a header has the fields that `pack_rows` writes, in their ranges."""
    ranges = {"count": MAX_IMAGES, "lanes": MAX_LANES, "per_block": MAX_IMAGES, "threads": MAX_THREADS}
    names, blocks = header["names"], header["blocks"]
    return (
        all(type(header[name]) is int and 1 <= header[name] <= most for name, most in ranges.items())
        and (names is None or (len(names) == header["count"] and all(isinstance(name, str) for name in names)))
        and len(blocks) == -(-header["count"] // header["per_block"])
        and all(type(block[name]) is int and block[name] >= 0 for block in blocks for name in ("bytes", "crc"))
        and all(isinstance(header[name], str) for name in ("model", "torch", "machine"))
        and isinstance(header["shape"], list)
    )


def pack_rows(
    model: DensityModel, rows: Rows, fingerprint: str, names: Sequence[str] | None, on_progress: OnProgress
) -> PackedFile:
    """Return stored images `[N, H, W, C]`, packed with `model`; raise UsageError where it cannot code them."""
    _check_codes(model)
    indices = _to_indices(model, rows)
    lanes = min(max(rows.size // LANE_VALUES, 1), len(rows), MAX_LANES)
    per_block = max(BLOCK_SYMBOLS // int(np.prod(rows.shape[1:])) // lanes, 1) * lanes
    blocks = []
    for first in range(0, len(rows), per_block):
        steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for start in range(first, last := min(first + per_block, len(rows)), lanes):
            end = min(start + lanes, last)
            steps += _encoded_batch(model, indices[start:end], lanes)
            on_progress(end, len(rows))
        blocks.append(encode(steps, lanes))
    header = {
        "model": fingerprint,
        "shape": list(rows.shape[1:]),
        "count": len(rows),
        "lanes": lanes,
        "per_block": per_block,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}",
        "names": list(names) if names is not None else None,
        "blocks": [{"bytes": len(block), "crc": zlib.crc32(block)} for block in blocks],
    }
    return PackedFile(header, bytes(zlib.crc32(row.tobytes()) & 255 for row in rows), blocks)


def unpack_rows(model: DensityModel, packed: PackedFile, name: str, on_progress: OnProgress) -> Rows:
    """Return the images of a packed file; raise SparringError where they are not what was packed."""
    _check_codes(model)
    header, channels_last = packed.header, tuple(packed.header["shape"])
    if channels_last != (model.spec.height, model.spec.width, model.spec.channels):
        raise SparringError(f"{name} holds images of another shape than those of its model: it was altered")
    count, lanes = header["count"], header["lanes"]
    rows = np.zeros((count, *channels_last), np.uint8)
    with _threads(header["threads"]):
        for number, code in enumerate(packed.blocks):
            first = number * header["per_block"]
            last = min(first + header["per_block"], count)
            try:
                decoder = Decoder(code, lanes)
                for start in range(first, last, lanes):
                    n = min(lanes, last - start)
                    rows[start : start + n] = _decoded_batch(model, decoder, n, lanes)
                    _check(rows[start : start + n], packed, start, name)
                    on_progress(start + n, count)
            except Exhausted as error:
                raise _differs(packed, name, f"block {number + 1}") from error
            if not decoder.is_complete:
                raise _differs(packed, name, f"block {number + 1}")
    return rows


def fingerprint_of(path: str | Path) -> str:
    """Return the SHA-256 of a saved generator: a run folder or one of its two files."""
    return hashlib.sha256((model_folder(path) / "generator.safetensors").read_bytes()).hexdigest()


def _check_codes(model: DensityModel) -> None:
    if not isinstance(model.generator, Codes):
        raise UsageError(
            f"{model.recipe.name} does not give the distribution of one value after another, which a lossless code "
            "needs: train with --recipe pixelcnn"
        )
    if model.conditional:
        raise UsageError("the model is conditioned on labels, which a code does not hold: train without --labels")


def _to_indices(model: DensityModel, rows: Rows) -> NDArray[np.int64]:
    """Return the numbers of the values `[N, C, H, W]`, those of the model's images."""
    if model.binary and not np.isin(rows, (0, 255)).all():
        raise UsageError(
            "the model is of binary images, and these have grey values: pack with a model of 8-bit images "
            "(sparring train SOURCE --recipe pixelcnn --no-binary)"
        )
    values = (rows > 127 if model.binary else rows).astype(np.int64)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _steps_of(model: DensityModel, lanes: int) -> Generator[Any, Any, None]:
    net: Any = model.generator
    steps: Generator[Any, Any, None] = net.conditionals(lanes)
    return steps


@torch.no_grad()
def _encoded_batch(
    model: DensityModel, indices: NDArray[np.int64], lanes: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the intervals of a batch `[n, C, H, W]`; images that fill it up are of the first value."""
    n = len(indices)
    full = np.concatenate([indices, np.zeros((lanes - n, *indices.shape[1:]), np.int64)])
    steps = _steps_of(model, lanes)
    step = next(steps)
    while step is not None:
        counts = counts_of(step.probabilities.numpy()).reshape(lanes, -1, step.probabilities.shape[-1])
        values = full[step.place]
        flat = values.reshape(lanes, -1)
        for k in range(flat.shape[1]):
            yield intervals(counts[:n, k], flat[:n, k])
        step = _send(steps, values)


@torch.no_grad()
def _decoded_batch(model: DensityModel, decoder: Decoder, n: int, lanes: int) -> Rows:
    """Return the next `n` images as stored rows."""
    channels, height, width = model.spec.shape
    full = np.zeros((lanes, channels, height, width), np.int64)
    steps = _steps_of(model, lanes)
    step = next(steps)
    while step is not None:
        counts = counts_of(step.probabilities.numpy()).reshape(lanes, -1, step.probabilities.shape[-1])
        flat = np.zeros((lanes, counts.shape[1]), np.int64)
        for k in range(counts.shape[1]):
            flat[:n, k] = decoder.decode(counts[:n, k])
        values = flat.reshape(step.probabilities.shape[:-1])
        full[step.place] = values
        step = _send(steps, values)
    rows = full[:n].transpose(0, 2, 3, 1) * (255 if model.binary else 1)
    return rows.astype(np.uint8)


def _send(steps: Generator[Any, Any, None], values: NDArray[np.int64]) -> Any:
    """Give the values of a step; return the next step, None after the last."""
    try:
        return steps.send(torch.from_numpy(np.ascontiguousarray(values)))
    except StopIteration:
        return None


def _check(rows: Rows, packed: PackedFile, first: int, name: str) -> None:
    for k, row in enumerate(rows):
        if zlib.crc32(row.tobytes()) & 255 != packed.checks[first + k]:
            names = packed.header["names"]
            raise _differs(packed, name, f"image {first + k}" + (f" ({names[first + k]})" if names else ""))


def _differs(packed: PackedFile, name: str, what: str) -> SparringError:
    header = packed.header
    return SparringError(
        f"{name}: {what} does not decode to what was packed. The distributions of a network depend on the machine: it "
        f"was packed on {header['machine']} with torch {header['torch']} and {header['threads']} thread(s)"
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with this number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
