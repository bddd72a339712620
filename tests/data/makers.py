"""Small data in every form that is read, made on the spot."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def pixels(count: int = 6, height: int = 9, width: int = 7, channels: int = 3, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


def encoded(image: Pixels, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(buffer, kind, **options)
    return buffer.getvalue()


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w", **options: object) -> Path:
    with tarfile.open(path, mode, **options) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_targz(path: Path, files: dict[str, bytes]) -> Path:
    return write_tar(path, files, "w:gz")


CONTAINERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": write_files,
    "set.zip": write_zip,
    "set.tar": write_tar,
    "set.tar.gz": write_targz,
    "no-suffix": write_targz,
}


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_files(train: Pixels, test: Pixels, packed: bool, labels: list[int]) -> dict[str, bytes]:
    files = {}
    for name, images in (("train", train), ("t10k", test)):
        files[f"{name}-images-idx3-ubyte"] = idx(images[..., 0])
        files[f"{name}-labels-idx1-ubyte"] = idx(np.array(labels[: len(images)], np.uint8))
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()} if packed else files


def planes(images: Pixels) -> NDArray[np.uint8]:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def old_array(array: NDArray[np.uint8]) -> bytes:
    """The pickle of an array as NumPy 1 on Python 2 wrote it: numpy.core, protocol 2, integers as flags."""
    return pickle.dumps(array, 2).replace(b"cnumpy._core.", b"cnumpy.core.")


def cifar_batch(images: Pixels, labels: list[int], key: str = "labels") -> bytes:
    return pickle.dumps({"data": planes(images), key: labels}, 2).replace(b"cnumpy._core.", b"cnumpy.core.")


def real(name: str) -> Path:
    folder = os.environ.get("SPARRING_DATA")
    if not folder or not (Path(folder) / name).exists():
        pytest.skip(f"needs real data: SPARRING_DATA with {name}")
    return Path(folder) / name
