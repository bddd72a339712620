"""Eight sources as people have them: `inspect` shows what they hold, and one command makes a result of each."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
RNG = np.random.default_rng(0)
TINY_GAN = ("--width", "8", "--batch-size", "8", "--images", "64")
TINY = ("--images", "64")
JUNK = b"\0\5\x16\7" + bytes(100)
"""What a Mac writes beside each file."""


class Source(NamedTuple):
    """One source, what it holds, and the command that makes a result of it."""

    make: Callable[[Path], str]
    """Write it into a folder; return its name."""
    kind: str
    splits: dict[str, int]
    classes: dict[str, int]
    """Examples by class; empty where they have none."""
    command: tuple[str, ...]
    """Command before the name of the source, and flags after it."""
    flags: tuple[str, ...] = ()
    inspect_flags: tuple[str, ...] = ()


def picture(bright: int = 0, side: int = 12) -> bytes:
    pixels = RNG.integers(0, 120, (side, side, 3)) + bright
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "png")
    return out.getvalue()


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def photos_by_date_with_junk(folder: Path) -> str:
    for k in range(24):
        put(folder / f"photos/{2019 + k % 2}/{1 + k % 3:02d}/IMG_{k:04d}.png", picture())
    for name in (".DS_Store", "2019/Thumbs.db", "2019/01/._IMG_0000.png", "READ ME.txt"):
        put(folder / "photos" / name, JUNK)
    return "photos"


def zip_from_a_mac(folder: Path) -> str:
    with zipfile.ZipFile(folder / "pets.zip", "w") as archive:
        for k in range(24):
            name = f"{('cat', 'dog')[k % 2]}/{k}.png"
            archive.writestr(f"pets/{name}", picture(100 * (k % 2)))
            archive.writestr(f"__MACOSX/pets/{('cat', 'dog')[k % 2]}/._{k}.png", JUNK)
    return "pets.zip"


def tiffs_of_twelve_bits(folder: Path) -> str:
    for split, count in (("train", 20), ("val", 8)):
        for k in range(count):
            pixels = RNG.integers(0, 2000, (12, 12)) + 2000 * (k % 2)
            path = folder / f"scans/{split}/{('clear', 'shadow')[k % 2]}/{k}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint16)).save(path)
    return "scans"


def table_of_kaggle(folder: Path) -> str:
    for k in range(20):
        put(folder / f"breeds/train/{k:03d}.png", picture(100 * (k % 2)))
    for k in range(5):
        put(folder / f"breeds/test/t{k}.png", picture())
    rows = "".join(f"{k:03d},{('beagle', 'husky')[k % 2]}\n" for k in range(20))
    put(folder / "breeds/labels.csv", ("id,breed\n" + rows).encode())
    put(folder / "breeds/sample_submission.csv", b"id,beagle,husky\nt0,0.5,0.5\n")
    return "breeds"


def flac_in_two_rates(folder: Path) -> str:
    soundfile = pytest.importorskip("soundfile")
    for k in range(24):
        rate = 16_000 if k % 4 else 44_100
        wave = 0.5 * np.sin(np.arange(rate // 5) / rate * 2 * np.pi * (300 + 900 * (k % 2)))
        path = folder / f"words/{('low', 'high')[k % 2]}/{k}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave + RNG.normal(0, 0.01, len(wave)), rate)
    return "words"


def csv_of_a_spreadsheet(folder: Path) -> str:
    rows = [f"{3 + 0.1 * k:.2f};{0.3 * k:.1f};{('weiß', 'rot')[k % 2]}\n".replace(".", ",") for k in range(40)]
    put(folder / "wein.csv", ("pH;Säure;Sorte\n" + "".join(rows)).encode("cp1252"))
    return "wein.csv"


def gene_array(folder: Path) -> str:
    y = np.arange(24) % 2
    x: NDArray[np.float64] = RNG.normal(size=(24, 60)) + y[:, None]
    with tarfile.open(folder / "array.tar.gz", "w:gz") as archive:
        for name, values in (("array_inputs.csv", x), ("array_outputs.csv", y[:, None] + 1.0)):
            text = "\n".join(",".join(f"{value:.6e}" for value in row) for row in values).encode()
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return "array.tar.gz"


def zip_of_stylegan(folder: Path) -> str:
    labels = []
    with zipfile.ZipFile(folder / "animals.zip", "w") as archive:
        for k in range(24):
            name = f"{k // 10:05d}/img{k:08d}.png"
            archive.writestr(name, picture(100 * (k % 2)))
            labels.append([name, k % 2])
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    return "animals.zip"


SOURCES = {
    "photos by date": Source(photos_by_date_with_junk, "image", {"train": 24}, {}, ("train",), TINY_GAN),
    "zip from a Mac": Source(zip_from_a_mac, "image", {"train": 24}, {"cat": 12, "dog": 12}, ("classify",), TINY),
    "12-bit TIFFs": Source(
        tiffs_of_twelve_bits, "image", {"train": 20, "test": 8}, {"clear": 14, "shadow": 14}, ("classify",), TINY
    ),
    "table of Kaggle": Source(
        table_of_kaggle, "image", {"train": 20, "test": 5}, {"beagle": 10, "husky": 10}, ("classify",), TINY
    ),
    "FLAC in two rates": Source(
        flac_in_two_rates, "audio", {"train": 22, "test": 2}, {"high": 12, "low": 12}, ("classify",), TINY
    ),
    "csv of a spreadsheet": Source(
        csv_of_a_spreadsheet,
        "table",
        {"train": 32, "test": 8},
        {"rot": 20, "weiß": 20},
        ("classify",),
        TINY,
        ("--label", "Sorte"),
    ),
    "gene array": Source(gene_array, "table", {"train": 20, "test": 4}, {"1": 12, "2": 12}, ("classify",), TINY),
    "zip of StyleGAN": Source(zip_of_stylegan, "image", {"train": 24}, {"0": 12, "1": 12}, ("train",), TINY_GAN),
}


@pytest.mark.parametrize("name", SOURCES)
def test_from_inspect_to_a_result(name: str, tmp_path: Path, quick: Cli) -> None:
    source = SOURCES[name]
    path = source.make(tmp_path)
    seen = quick("inspect", path, *source.inspect_flags, "--json")
    assert seen.returncode == 0, seen.stderr
    found: dict[str, Any] = json.loads(seen.stdout)
    assert found["kind"] == source.kind
    assert {split: count for split, count in found["splits"].items() if count} == source.splits
    assert (found["classes"] or {}) == source.classes
    done = quick(
        *source.command, path, *source.inspect_flags, *source.flags, "--out", "run", "--device", "cpu", "--json"
    )
    assert done.returncode == 0, done.stderr
    model = "generator" if source.command == ("train",) else "classifier"
    assert (tmp_path / "run" / f"{model}.safetensors").exists()
