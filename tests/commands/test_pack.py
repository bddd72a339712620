"""Packing: what comes out is what went in, near the stated bits, and damage is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.engine.errors import SparringError, UsageError
from sparring.models.packing import PackedFile


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training on digits."""
    recipe = sparring.MADERecipe(hidden=64)
    return sparring.train("digits", recipe, images=6400, out=tmp_path_factory.mktemp("runs") / "run").path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    data = sparring.open("digits")
    noise = np.random.default_rng(0)
    for k, row in enumerate(data[np.arange(30)]):
        binary = (row[..., 0] / 255 > noise.random((8, 8))).astype(np.uint8) * 255
        Image.fromarray(binary).save(folder / f"{k}.{'png' if k else 'bmp'}")
    return folder


def test_pictures_come_back_by_name(run: Path, pictures: Path, tmp_path: Path) -> None:
    result = sparring.pack(pictures, run, out=tmp_path / "p.sparring")
    assert result.images == 30 and result.code_bytes <= result.stated_bytes * 1.01 + 4
    assert result.bytes < result.webp_bytes < result.png_bytes
    back = sparring.unpack(tmp_path / "p.sparring", run, out=tmp_path / "back")
    assert back.images == 30 and sorted(p.name for p in back.path.iterdir())[0] == "0.bmp.png"
    for path in pictures.iterdir():
        name = path.name if path.suffix == ".png" else f"{path.name}.png"
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(tmp_path / "back" / name)))


def test_files_whose_names_become_the_same_are_both_kept(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, value in (("a.bmp", 0), ("a.bmp.png", 255)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(folder / name)
    sparring.pack(folder, run, out=tmp_path / "p.sparring")
    sparring.unpack(tmp_path / "p.sparring", run, out=tmp_path / "back")
    levels = {int(np.asarray(Image.open(path)).max()) for path in (tmp_path / "back").iterdir()}
    assert levels == {0, 255}


def test_arrays_come_back_in_several_batches(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sparring.models import packing

    monkeypatch.setattr(packing, "LANE_VALUES", 64 * 10)
    monkeypatch.setattr(packing, "BLOCK_SYMBOLS", 64 * 25)
    x = (np.random.default_rng(0).random((53, 8, 8)) < 0.2).astype(np.uint8) * 255
    np.savez(tmp_path / "x.npz", images=x)
    result = sparring.pack(tmp_path / "x.npz", run, out=tmp_path / "x.sparring")
    assert result.code_bytes <= result.stated_bytes * 1.01 + 3 * 5 * 4
    back = sparring.unpack(tmp_path / "x.sparring", run, out=tmp_path / "x2.npz")
    assert np.array_equal(np.load(back.path)["arr_0"][..., 0], x)


def test_damage_is_named(run: Path, pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.sparring"
    sparring.pack(pictures, run, out=path)
    whole = path.read_bytes()
    for content, message in (
        (whole[:-5], "cut off in block 1"),
        (whole[:-5] + b"\0" + whole[-4:], "altered in block 1"),
        (whole + b"x", "1 bytes after its end"),
        (whole[:20] + b"\1" + whole[21:], "damaged in its header"),
        (whole[:18], "damaged in its header"),
        (b"PK", "no packed file"),
    ):
        path.write_bytes(content)
        with pytest.raises(SparringError, match=message):
            sparring.unpack(path, run, out=tmp_path / "back")
        assert not (tmp_path / "back").exists()


def test_a_header_that_was_altered_is_refused(run: Path, pictures: Path, tmp_path: Path) -> None:
    path = sparring.pack(pictures, run, out=tmp_path / "p.sparring").path
    packed = PackedFile.from_bytes(path.read_bytes(), str(path))
    altered: tuple[dict[str, Any], ...] = (
        {"lanes": 0}, {"lanes": 10**9}, {"per_block": 0}, {"threads": -1}, {"names": ["a.png"]}, {"model": None},
        {"blocks": []}, {"shape": [9, 9, 1]},
    )  # fmt: skip
    for fields in altered:
        path.write_bytes(replace(packed, header=packed.header | fields).to_bytes())
        with pytest.raises(SparringError, match=r"p\.sparring (is damaged|holds images of another shape)"):
            sparring.unpack(path, run, out=tmp_path / "back")


def test_an_image_that_decodes_to_another_is_named(run: Path, pictures: Path, tmp_path: Path) -> None:
    from sparring.models.packing import PackedFile

    path = tmp_path / "p.sparring"
    sparring.pack(pictures, run, out=path)
    packed = PackedFile.from_bytes(path.read_bytes(), "p")
    checks = bytearray(packed.checks)
    checks[3] ^= 1
    path.write_bytes(PackedFile(packed.header, bytes(checks), packed.blocks).to_bytes())
    with pytest.raises(SparringError, match=r"image 3 \(3\.png\) does not decode .* depend on the machine"):
        sparring.unpack(path, run, out=tmp_path / "back")


def test_what_cannot_be_packed_is_refused(run: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="binary images, and these have grey values"):
        sparring.pack("digits", run, out=tmp_path / "a.sparring")
    with pytest.raises(UsageError, match="8x8"):
        Image.new("L", (9, 9)).save(tmp_path / "large.png")
        sparring.pack(tmp_path / "large.png", run, out=tmp_path / "a.sparring")
    gan: Any = sparring.R3(width=4, batch_size=8)
    other = sparring.train("digits", gan, images=16, out=tmp_path / "gan").path
    with pytest.raises(UsageError, match="cannot compute densities"):
        sparring.pack(pictures, other, out=tmp_path / "a.sparring")
    sparring.pack(pictures, run, out=tmp_path / "a.sparring")
    with pytest.raises(UsageError, match=r"a\.sparring exists"):
        sparring.pack(pictures, run, out=tmp_path / "a.sparring")
    labelled = sparring.train("digits", sparring.MADERecipe(hidden=8, labels=True), images=64, out=tmp_path / "l").path
    with pytest.raises(UsageError, match="another model"):
        sparring.unpack(tmp_path / "a.sparring", labelled, out=tmp_path / "b")
    with pytest.raises(UsageError, match="conditioned on labels"):
        sparring.pack(pictures, labelled, out=tmp_path / "c.sparring")
