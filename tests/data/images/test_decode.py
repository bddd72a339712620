"""From the bytes of a file to a row: size, mode, orientation; what is broken is said in the same words every time."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from makers import encoded, pixels, write_files, write_tar, write_zip
from PIL import Image, ImageOps

from sparring.data.files.packed import open_container
from sparring.data.images import decode as module
from sparring.data.images.decode import decode, decode_all, header
from sparring.data.images.scale import choose_scales
from sparring.data.open import open_source
from sparring.data.reader_api import Shape
from sparring.engine.errors import SparringError

RGB = pixels(1, 6, 4)[0]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def array(content: bytes, mode: str, height: int = 6, width: int = 4) -> np.ndarray:
    pixels, extent = decode(content, Shape(height, width, mode))
    if extent is not None:  # more than 8 bits: the scale is that of this image
        assert not pixels
        pixels, _ = decode(content, Shape(height, width, mode), choose_scales([extent]))
    got = np.frombuffer(pixels, np.uint8)
    return got.reshape(height, width, -1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_exif_rotation(kind: str, orientation: int, mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    content = saved(Image.fromarray(RGB), kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert header(content) == Shape(upright.height, upright.width, "RGB")
    got = array(content, mode, upright.height, upright.width)
    assert np.array_equal(got.squeeze(), np.asarray(upright.convert(mode)))
    if orientation == 6 and kind == "PNG" and mode == "RGB":  # by hand: a quarter turn clockwise
        assert np.array_equal(got, np.rot90(RGB, -1))


def test_rotation_survives_laying_over_white() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    image = np.dstack([RGB, np.full((6, 4), 255, np.uint8)])
    got = array(saved(Image.fromarray(image), "PNG", exif=exif), "RGB")
    assert np.array_equal(got, RGB[::-1, ::-1])


def test_torn_exif_does_not_cost_the_picture() -> None:
    content = saved(Image.fromarray(RGB), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert np.array_equal(array(content, "RGB"), RGB)


GREY16 = np.linspace(0, 65535, 24).astype(np.uint16).reshape(6, 4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    content = saved(Image.fromarray(GREY16), kind)
    assert header(content).mode == "L"
    got = array(content, "L")[..., 0]
    assert np.abs(got - GREY16 / 257).max() <= 0.51
    assert np.array_equal(array(content, "RGB")[..., 1], got)


def test_float_tiff_is_scaled_by_its_range() -> None:
    for top in (1.0, 255.0, 65535.0):
        content = saved(Image.fromarray(np.linspace(0, top, 24, dtype=np.float32).reshape(6, 4)), "TIFF")
        got = array(content, "L")
        assert (got.min(), got.max()) == (0, 255)
    with pytest.raises(ValueError, match="no finite numbers"):
        array(saved(Image.fromarray(np.full((6, 4), np.nan, np.float32)), "TIFF"), "L")


def with_alpha() -> dict[str, tuple[bytes, str]]:
    """Half transparent, half black: name -> file and mode."""
    rgba = np.zeros((6, 4, 4), np.uint8)
    rgba[:3, :, 3] = 255
    image = Image.fromarray(rgba)
    palette = Image.new("P", (4, 6), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.paste(1, (0, 3, 4, 6))
    keyed = Image.fromarray(np.where(rgba[..., 3:] > 0, 0, 7).astype(np.uint8).repeat(3, 2))
    return {
        "RGBA": (saved(image, "PNG"), "RGBA"),
        "LA": (saved(image.convert("LA"), "PNG"), "LA"),
        "P with transparency": (saved(palette, "PNG", transparency=1), "RGBA"),
        "GIF": (saved(palette, "GIF", transparency=1), "RGBA"),
        "RGB with a colour key": (saved(keyed, "PNG", transparency=(7, 7, 7)), "RGBA"),
        "WEBP": (saved(image, "WEBP", lossless=True), "RGBA"),
    }


@pytest.mark.parametrize("name", with_alpha())
def test_transparency_is_white_or_kept(name: str) -> None:
    content, mode = with_alpha()[name]
    assert header(content).mode == mode
    for opaque in ("L", "RGB"):
        got = array(content, opaque)
        assert (got[:3] == 0).all()
        assert (got[3:] == 255).all()
    alpha = array(content, mode)[..., -1]
    assert (alpha[:3] == 255).all()
    assert (alpha[3:] == 0).all()


def test_palette_cmyk_and_bilevel() -> None:
    image = Image.fromarray(RGB)
    palette = image.quantize(16)
    assert np.array_equal(array(saved(palette, "PNG"), "RGB"), np.asarray(palette.convert("RGB")))
    red = saved(Image.new("CMYK", (4, 6), (0, 255, 255, 0)), "JPEG", quality=100)
    assert header(red).mode == "RGB"
    assert np.abs(array(red, "RGB").astype(int) - [255, 0, 0]).max() < 6
    bilevel = saved(Image.fromarray(np.eye(6, 4) > 0), "PNG")
    assert header(bilevel).mode == "L"
    assert np.array_equal(array(bilevel, "L")[..., 0], (np.eye(6, 4) * 255).astype(np.uint8))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_frame_of_many(kind: str) -> None:
    frames = [Image.new("RGB", (4, 6), colour) for colour in ("red", "green", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(content)).n_frames == 3  # type: ignore[attr-defined]
    assert (array(content, "RGB") == [255, 0, 0]).all()


def test_other_sizes_cover_and_are_cut_to_the_centre() -> None:
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 255
    assert (array(encoded(wide), "RGB", 8, 8)[:, 1:7] == 255).all()
    assert (array(encoded(wide), "RGB", 4, 4)[:, 1:3] > 200).all()
    big = saved(Image.fromarray(wide).resize((2400, 800)), "JPEG")  # goes the way of scaled decoding
    assert (array(big, "RGB", 8, 8)[:, 1:7] > 240).all()


def test_a_large_jpeg_that_lies_on_its_side() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((200, 400, 3), np.uint8)
    stored[:, :200] = 255  # shown: the upper half is white
    got = array(saved(Image.fromarray(stored), "JPEG", exif=exif), "RGB", 40, 20)
    assert (got[:18] > 230).all()
    assert (got[22:] < 25).all()


def huge_png() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


BAD = {
    "zero.png": (b"", "is empty (zero bytes)"),
    "text.png": (b"hello there", "is no image that Pillow knows"),
    "huge.png": (huge_png(), "is an image of more than 100,000,000 pixels: refused"),
    "large.bmp": (b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 12000, 9000, 1, 24, 0, 0, 0, 0, 0, 0),
                  "is an image of more than 100,000,000 pixels: refused"),
    "cut.jpg": (encoded(pixels(1, 64, 64)[0], "JPEG")[:-900], "is truncated"),
    "cut.png": (encoded(pixels(1, 64, 64)[0])[:-900], "is truncated"),
    "ghost.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n",
                  "is no image that Pillow knows"),
}  # fmt: skip


def test_bad_files_are_left_out_by_name_and_the_good_one_is_used(tmp_path: Path) -> None:
    good = encoded(pixels(1)[0])
    files = {name: content for name, (content, _) in BAD.items()}
    others = {
        "good.png": good,
        "twin.png": good,
        "notes.txt": b"x",
        ".hidden.png": good,
        "inner.zip": b"PK",
        "README": b"y",
    }
    report = open_source(write_files(tmp_path / "set", files | others)).report
    want: dict[str, list[str]] = {}
    for name, (_, reason) in BAD.items():
        want.setdefault(reason, []).append(name)
    want["is no image that Pillow knows"].append("README")
    want |= {"is a duplicate of another file": ["twin.png"], "is hidden": [".hidden.png"],
             "is no image that is read here (.txt)": ["notes.txt"],
             "is no image that is read here (.zip)": ["inner.zip"]}  # fmt: skip
    assert report.used == 1
    assert {reason: sorted(names) for reason, names in report.skipped.items()} == {
        k: sorted(v) for k, v in want.items()
    }


def test_of_equal_files_the_one_that_has_a_label_is_used(tmp_path: Path) -> None:
    """Who sorts some images of a heap into folders of classes may copy them."""
    some = [encoded(image) for image in pixels(4)]
    files = {f"heap{k}.png": image for k, image in enumerate(some)} | {
        "z/a.png": some[1],
        "z/b.png": some[1],
        "a/c.png": some[3],
    }
    data = open_source(write_files(tmp_path / "set", files))
    assert data.names == ["a/c.png", "heap0.png", "heap2.png", "z/a.png"] and data.labels.tolist() == [0, -1, -1, 1]
    assert data.report.skipped == {"is a duplicate of another file": ["heap1.png", "heap3.png", "z/b.png"]}


def test_equal_files_under_different_classes_are_told_by_name_and_class(tmp_path: Path) -> None:
    some = [encoded(image) for image in pixels(9)]
    files = {"cat/1.png": some[0], "cat/2.png": some[1], "cat/3.png": some[2], "1.png": some[0], "x/3.png": some[2]}
    files |= {
        "dog/7.png": some[0],
        "dog/8.png": some[0],
        "owl/7.png": some[0],
        "cat/torn.png": b"",
        "dog/torn.png": b"",
    }
    data = open_source(write_files(tmp_path / "set", files))
    assert data.report.notes == [
        "2 images are found under more than one class, of which the first was taken: "
        "cat/1.png (cat; dog in dog/7.png, owl in owl/7.png), cat/3.png (cat; x in x/3.png)"
    ]
    assert [data.report.classes["cat"], data.report.used] == [3, 3]
    assert open_source(tmp_path / "set", keep_duplicates=True).report.notes == []  # each is kept with its own
    many = {f"{name}/{k}.png": some[k] for name in "ab" for k in range(9)}
    (note,) = open_source(write_files(tmp_path / "many", many)).report.notes
    assert note.startswith("9 images are") and note.endswith(", a/4.png (a; b in b/4.png) and 4 more")
    (note,) = open_source(write_files(tmp_path / "one", {"a/1.png": some[0], "b/1.png": some[0]})).report.notes
    assert note.startswith("1 image is found")


def rows(path: Path, count: int) -> np.memmap:
    return np.memmap(path, np.uint8, "w+", shape=(count, 9, 7, 3))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_workers_give_what_one_process_gives(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIED", 8)
    monkeypatch.setattr(module, "WORTH", 0.0)
    images = pixels(600)
    files = {f"{k}.png": encoded(images[k]) for k in range(600)} | {"77.png": b"broken"}
    make = {"folder": write_files, "zip": write_zip, "tar": write_tar}[kind]
    container = open_container(make(tmp_path / "set", files))
    told: list[int] = []
    one, many = rows(tmp_path / "one", 600), rows(tmp_path / "many", 600)
    alone = decode_all(container, container.names, one, Shape(9, 7, "RGB"), told.append, workers=1)
    both = decode_all(container, container.names, many, Shape(9, 7, "RGB"), told.append, workers=2)
    assert alone == both
    assert np.array_equal(one, many)
    assert np.array_equal(many[:77], images[:77])
    assert alone[77].reason == "is no image that Pillow knows"
    assert told[-1] == 600
    assert sorted(told[told.index(600) + 1 :]) == told[told.index(600) + 1 :]


def test_parquet_on_all_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    monkeypatch.setattr(module, "TRIED", 4)
    monkeypatch.setattr(module, "WORTH", 0.0)
    monkeypatch.setattr(module, "cores", lambda: 2)
    images = pixels(40)
    table = pa.table({"image": [{"bytes": encoded(image), "path": ""} for image in images], "label": [0] * 40})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    assert np.array_equal(open_source(tmp_path / "a.parquet")[np.arange(40)], images)


def test_a_worker_that_dies_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIED", 1)
    monkeypatch.setattr(module, "WORTH", 0.0)

    def dying() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip

    monkeypatch.setattr(module, "_start_worker", dying)
    container = open_container(write_files(tmp_path / "set", {f"{k}.png": encoded(RGB) for k in range(9)}))
    with pytest.raises(SparringError, match=r"a decoding process .* ended with code -9"):
        decode_all(
            container, container.names, rows(tmp_path / "r", 9), Shape(9, 7, "RGB"), lambda done: None, workers=2
        )


def test_a_worker_is_not_led_astray_by_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('led astray')")
    monkeypatch.chdir(tmp_path)
    np.memmap(tmp_path / "r", np.uint8, "w+", shape=(1, 9, 7, 3))
    write_files(tmp_path / "set", {"a.png": encoded(pixels(1)[0])})
    job = {"ticket": {"kind": "folder", "path": str(tmp_path / "set")}, "names": ["a.png"], "numbers": [0],
           "scales": None, "shape": [9, 7, "RGB"], "rows": str(tmp_path / "r")}  # fmt: skip
    with module._start_worker() as worker:
        out, _ = worker.communicate(json.dumps(job))
    assert worker.returncode == 0
    assert json.loads(out)[0][1] == ""
