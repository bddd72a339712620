"""NumPy's `.npy` and `.npz`: one array of images, or `arr_0` / `x` (and `y`), or `x_train`, `y_train`, `x_test`, `y_test`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.container import Container, LeftOut
from sparring.data.found import Found
from sparring.data.readers.arrays import ImageArrays, Part, as_images
from sparring.engine.errors import SparringError

NAMES: list[tuple[str, str, Literal["train", "test"]]] = [
    ("x_train", "y_train", "train"), ("x_test", "y_test", "test"),
    ("x", "y", "train"), ("images", "labels", "train"), ("image", "label", "train"), ("arr_0", "arr_1", "train"),
]  # fmt: skip


def read_numpy(container: Container) -> Found | None:
    """The one `.npy` or `.npz` file of a container; None where there is none."""
    names = [name for name in container.names if name.lower().endswith((".npy", ".npz"))]
    if not names:
        return None
    if len(names) > 1:
        raise SparringError(
            f"{container.path} holds {len(names)} NumPy files ({', '.join(names[:3])} ...): name one of them"
        )
    name = names[0]
    arrays = _load(container, name)
    parts = []
    for x, y, split in NAMES:
        if x in arrays:
            parts.append(Part(f"{name}:{x}", split, as_images(arrays[x], f"{name}:{x}"), _labels(arrays.get(y))))
    if not parts:
        raise SparringError(f"{name} holds {', '.join(arrays)}: images are looked for as x, x_train, images or arr_0")
    others = [LeftOut(other, "is no NumPy file") for other in container.names if other != name]
    return ImageArrays("NumPy", parts, [*container.refused, *others])


def _load(container: Container, name: str) -> dict[str, NDArray[Any]]:
    beside = Path(container.path) / name if container.path.is_dir() else container.path
    source: Any = beside if beside.name == Path(name).name else io.BytesIO(container.read(name))
    try:
        loaded = np.load(source, allow_pickle=False, mmap_mode="r" if isinstance(source, Path) else None)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            return {key.lower(): loaded[key] for key in loaded.files}
    except Exception as error:  # torn files raise anything; objects (pickles) are refused
        raise SparringError(f"{name} cannot be read as NumPy numbers: {error}") from error


def _labels(y: NDArray[Any] | None) -> list[str | None] | None:
    if y is None:
        return None
    if y.ndim == 2 and y.shape[1] > 1:  # one-hot
        y = y.argmax(1)
    return [None if str(value) in ("-1", "") else str(value) for value in y.reshape(-1).tolist()]
