"""One line for each kind of data: a spec, stored rows of it, and a small source on the disk.

The conformance suites run over this table: `engine/test_data_spec.py`, `data/test_open.py`, `models/test_kinds.py` and
`commands/test_every_kind.py`. A new kind joins them by its line in KINDS.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from speaking import speak

from sparring.commands.training.calibrate import calibrated
from sparring.data.in_memory import IndexedDataset
from sparring.engine.data_spec import AudioSpec, Column, DataSpec, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.device import Hardware
from sparring.models.classifier import Classifier
from sparring.recipes import default_recipe, recipe_class

CLASSES = ("a", "b", "c")
COUNT = 60
COLUMNS = (
    Column("age", (0,), (), True, 0.0, 90.0),
    Column("colour", (1, 2), ("red", "blue"), False, 0.0, 1.0),
    Column("pay", (3,), (), False, -1.5, 2.5),
)
_rng = np.random.default_rng(0)


class Kind(NamedTuple):
    """What the suites need of one kind."""

    spec: DataSpec
    rows: NDArray[Any]
    """60 stored rows of the spec."""
    settings: dict[str, Any]
    """Settings of its default recipe that make small networks."""
    write: Callable[[Path], Path]
    """Write a source of two classes or more, with something that is skipped, into a folder; return its path."""
    read: dict[str, str]
    """Options to read it."""
    skipped: dict[str, list[str]]
    """What is skipped there: reason -> names."""
    form: tuple[str, int, int]
    """What an example is called, and how many there are to train and to test."""
    flags: tuple[object, ...]
    """Flags of a training that learns the classes."""


def write_images(folder: Path) -> Path:
    """Pictures of 8x8 in folders of splits and classes: class k is bright in rows 2k and 2k + 1."""
    rng = np.random.default_rng(0)
    for k in range(72):
        pixels = rng.integers(0, 60, (8, 8), np.uint8)
        pixels[2 * (k % 3) : 2 * (k % 3) + 2] += 180
        path = folder / "pictures" / ("train" if k < 48 else "test") / CLASSES[k % 3] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "pictures/train/a/torn.png").write_bytes(b"")
    return folder / "pictures"


def write_words(folder: Path) -> Path:
    """Three words that are tones."""
    speak(folder / "words")
    (folder / "words/low_ada_99.wav").write_bytes(b"RIFF")
    return folder / "words"


def write_waves(folder: Path) -> Path:
    """Slow and fast sines of random phase in two channels."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    phase = rng.uniform(0, 6, (120, 2, 1))
    x = np.sin(np.arange(32) * np.where(y, 0.3, 0.9)[:, None, None] + phase).astype(np.float32)
    x[5] = np.inf
    np.savez(folder / "waves.npz", x=x, y=y)
    return folder / "waves.npz"


def write_people(folder: Path) -> Path:
    """A table of which the class is whether the product of two columns is above 2,000."""
    rows = np.random.default_rng(0).integers(10, 100, (200, 2))
    lines = [f"{h},{w},{('york', 'rome')[h % 2]},{'yes' if h * w > 2000 else 'no'}" for h, w in rows]
    (folder / "people.csv").write_text("\n".join(["hours,wage,town,rich", *lines, "1,2"]))
    return folder / "people.csv"


def table_rows() -> NDArray[np.float32]:
    colour = _rng.integers(0, 2, COUNT)
    return np.stack([_rng.integers(0, 90, COUNT), colour, 1 - colour, _rng.normal(size=COUNT)], 1).astype(np.float32)


KINDS = {
    "image": Kind(
        ImageSpec(8, 6, 3, CLASSES, COUNT, 4, (), "RGB", True),
        _rng.integers(0, 256, (COUNT, 8, 6, 3), np.uint8),
        {"width": 4, "latent_dim": 6, "batch_size": 12, "labelled_batch_size": 6},
        write_images, {}, {"is empty (zero bytes)": ["train/a/torn.png"]}, ("images", 48, 24), ("--images", 480),
    ),
    "audio": Kind(
        AudioSpec(8000, 900, CLASSES, COUNT, 1),
        _rng.integers(-9000, 9000, (COUNT, 900)).astype(np.int16),
        {"width": 4, "batch_size": 8},
        write_words, {}, {"is damaged, or no sound file": ["low_ada_99.wav"]}, ("recordings", 30, 30),
        ("--images", 640, "--lr", 0.01),
    ),
    "series": Kind(
        SeriesSpec(("x", "y"), 30, (1.0, 0.0), (2.0, 1.0), CLASSES, COUNT),
        (_rng.normal(size=(COUNT, 2, 30)) * 50).astype(np.float32),
        {"width": 4, "batch_size": 8},
        write_waves, {"kind": "series"}, {"holds values that are not finite": ["waves.npz:x[5]"]}, ("series", 108, 11),
        ("--images", 1200, "--lr", 0.01),
    ),
    "table": Kind(
        TableSpec(COLUMNS, "y", CLASSES, COUNT), table_rows(), {"hidden": 16, "batch_size": 16},
        write_people, {"label": "rich"}, {"has 2 cells in place of 4": ["line 202"]}, ("rows", 161, 39),
        ("--images", 4800, "--lr", 0.01),
    ),
}  # fmt: skip

CPU = Hardware(torch.device("cpu"), bf16=False)


def untrained(data: IndexedDataset, settings: dict[str, Any]) -> Classifier:
    """A calibrated classifier of the default recipe for `data`, whose networks have learnt nothing."""
    spec = data.spec
    torch.manual_seed(0)
    recipe = recipe_class(default_recipe("classify", spec.kind))(**settings).resolve(spec, CPU)
    nets = recipe.nets(spec)
    recipe.prepare(nets, spec.encode(data[np.arange(len(data))]))
    return calibrated(nets["classifier"], data, recipe, {"custom_nets": False}, CPU)


every_kind = pytest.mark.parametrize("kind", KINDS)
