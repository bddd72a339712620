"""Images that are decoded at each reading: equal to decoded ones in all but the copy on the disk."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sparring
from sparring.data.images import decode
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import SparringError, UsageError

STREAM = ReadOptions(stream=True)


def png(seed: int, size: tuple[int, int] = (8, 8)) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards as WebDataset has them, with one damaged image, a copy, and an image of another size."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(3):
        files = {}
        for k in range(40):
            name = f"{shard * 40 + k:06d}"
            files |= {f"{name}.png": png(shard * 40 + k), f"{name}.cls": str(k % 4).encode()}
        if shard == 1:
            files |= {"000050.png": png(50)[:60], "000051.png": png(3), "000052.png": png(52, (20, 10))}
        write_tar(folder / f"train-{shard:04d}.tar", files)
    return folder


def test_streamed_images_are_the_decoded_ones(shards: Path) -> None:
    decoded, streamed = open_source(shards), open_source(shards, STREAM)
    assert len(streamed) == len(decoded) == 118 and streamed.fingerprint == decoded.fingerprint
    assert streamed.names == decoded.names and streamed.skipped == decoded.skipped and streamed.skipped
    assert streamed.labels.tolist() == decoded.labels.tolist() and streamed.spec == decoded.spec
    idx = np.random.default_rng(0).permutation(118)
    assert np.array_equal(streamed[idx], decoded[idx])
    assert streamed.folder != decoded.folder and not (streamed.folder / "rows.bin").exists()
    assert streamed.report.notes == decoded.report.notes


def test_other_processes_decode_as_well(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "WORTH", 0.0)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    streamed = open_source(shards, STREAM)
    assert len(streamed) == 118 and streamed[np.array([117])].any()


@pytest.mark.parametrize("place", ["one.tar", "renamed"])
def test_one_tar_and_names_of_another_encoding(tmp_path: Path, place: str) -> None:
    names = [f"{k}.png" for k in range(12)] if place == "one.tar" else [f"caf\udce9{k}.png" for k in range(12)]
    path = tmp_path / "one.tar"
    with tarfile.open(path, "w", encoding="utf-8", errors="surrogateescape") as tar:
        for k, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = len(png(k))
            tar.addfile(member, io.BytesIO(png(k)))
    streamed, decoded = open_source(path, STREAM), open_source(path)
    every = np.arange(len(decoded))
    assert len(every) == 12 and np.array_equal(streamed[every], decoded[every])


def test_a_training_on_streamed_images_is_the_same_game(shards: Path, tmp_path: Path) -> None:
    recipe = sparring.R3(width=4, latent_dim=8, batch_size=8, augment="none")
    runs = [
        sparring.train(shards, recipe, images=32, out=tmp_path / name, stream=stream)
        for name, stream in (("decoded", False), ("streamed", True))
    ]
    weights = [sparring.load(run.path).generator.state_dict() for run in runs]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    settings = [json.loads((run.path / "run.json").read_text())["data"]["fingerprint"] for run in runs]
    assert settings[0] == settings[1]


def test_a_shard_that_changed_is_named(shards: Path) -> None:
    streamed = open_source(shards, STREAM)
    (shards / "train-0002.tar").write_bytes(b"\0" * 2000)
    with pytest.raises(SparringError, match=r"train-0002\.tar cannot be read any more .*: run the command without"):
        streamed[np.array([len(streamed) - 1])]


def test_what_cannot_be_streamed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.png").write_bytes(png(0))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.png", png(0))
    for source in ("folder", "a.zip"):
        with pytest.raises(UsageError, match=r"--stream reads images in tar files, and .*pack the images into \.tar"):
            open_source(tmp_path / source, STREAM)
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="--stream reads images in tar files, and these are"):
        open_source(tmp_path / "a.npy", STREAM)
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n3,4\n" * 20)
    with pytest.raises(UsageError, match="--stream is for images"):
        open_source(tmp_path / "a.csv", STREAM)
    with pytest.raises(UsageError, match="--stream is for one source"):
        open_source(tmp_path / "folder", ReadOptions(stream=True, pair_with=str(tmp_path / "a.npy")))


@pytest.mark.parametrize(("depth", "message"), [(16, "more than 8 bits"), (8, "dark images")])
def test_images_that_are_stored_with_a_scale_are_refused(tmp_path: Path, depth: int, message: str) -> None:
    files = {}
    for k in range(8):
        out = io.BytesIO()
        pixels = np.random.default_rng(k).integers(0, 9, (8, 8)).astype(np.uint16 if depth == 16 else np.uint8)
        Image.fromarray(pixels).save(out, "png")
        files[f"{k}.png"] = out.getvalue()
    write_tar(tmp_path / "a.tar", files)
    with pytest.raises(UsageError, match=message):
        open_source(tmp_path / "a.tar", STREAM)
