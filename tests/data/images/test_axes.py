"""The order of axes, and last channels that are data: random shapes whose order is known."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from makers import encoded, pixels, write_files
from PIL import Image

from sparring.data.images.axes import as_images, choose_order, flat_images
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import SparringError


@pytest.mark.parametrize("seed", range(20))
def test_images_of_usual_channels_are_found_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = int(rng.choice([1, 3, 4]))
    height = int(rng.integers(20, 130))
    width = int(rng.integers(max(20, height // 2), 2 * height))
    count = int(rng.integers(200, 2_000))
    x = np.broadcast_to(np.uint8(0), (count, height, width, channels))
    for order, told in (((0, 1, 2, 3), False), ((0, 3, 1, 2), False), ((1, 2, 3, 0), True)):
        images, notes = as_images(x.transpose(order), "x")
        assert images.shape == x.shape
        assert bool(notes) is told


@pytest.mark.parametrize(
    ("shape", "count", "want"),
    [
        ((40, 12, 32, 48), None, "[N, C, H, W]"),
        ((40, 3, 4, 4), None, "[N, C, H, W]"),
        ((20, 13, 30, 40), None, "[N, C, H, W]"),
        ((20, 2, 32, 32), None, "[N, C, H, W]"),
        ((32, 32, 1, 500), None, "[H, W, C, N]"),
        ((32, 32, 3, 3), 3, "[H, W, C, N]"),
        ((50, 9, 9, 200), None, "[N, H, W, C]"),
        ((9, 10, 12, 13), None, "[N, H, W, C]"),
        ((500, 8, 128, 3), None, "[N, H, W, C]"),
    ],
)
def test_order_of_other_shapes(shape: tuple[int, ...], count: int | None, want: str) -> None:
    assert choose_order(shape, count).name == want
    assert count or want in as_images(np.broadcast_to(np.uint8(0), shape), "x")[1][0] or shape[3] == 3


def test_one_picture_and_flat_images_are_told() -> None:
    images, notes = as_images(np.zeros((40, 30, 3)), "x")
    assert images.shape == (1, 40, 30, 3) and "one image of 40x30" in notes[0]
    assert as_images(np.zeros((40, 30, 3)), "x", 40)[0].shape == (40, 30, 3, 1)
    assert "3 grey images of 32x32; one image of 3 channels is" in as_images(np.zeros((3, 32, 32)), "x")[1][0]
    assert as_images(np.zeros((60, 28, 28)), "x")[1] == []
    for length, want in ((784, "28 x 28"), (3072, "3 x 32 x 32"), (12288, "3 x 64 x 64"), (30, ""), (48, "")):
        assert flat_images(length) == want
    with pytest.raises(SparringError, match=r"784 = 28 x 28: reshape\(-1, 28, 28\)"):
        as_images(np.zeros((9, 784)), "x")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("form", ["png", "npy", "float"])
def test_a_last_channel_that_is_data_is_kept(seed: int, form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    top = int(rng.integers(0, 255))
    band = np.full((9, 8, 7), 0) if seed == 0 else rng.integers(0, (256 if seed == 1 else top + 1), (9, 8, 7))
    mode, colours = ("RGBA", 3) if seed % 2 else ("LA", 1)
    images = np.concatenate([pixels(9, 8, 7, colours), band[..., None].astype(np.uint8)], -1)
    if form == "png":
        files = {f"{k}.png": _png(image, mode) for k, image in enumerate(images)}
        source = write_files(tmp_path / "set", files)
    else:
        source = tmp_path / "a.npy"
        np.save(source, images / np.float32(255) if form == "float" else images)
    data = open_source(source)
    assert data.report.mode == mode
    assert np.array_equal(data[np.arange(9)], images)
    assert any("kept as data" in note for note in data.notes)
    assert open_source(source, ReadOptions(mode="L")).report.mode == "L"


def _png(image: np.ndarray, mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image, mode).save(buffer, "PNG") if mode == "RGBA" else Image.merge(
        "LA", [Image.fromarray(image[..., k]) for k in range(2)]
    ).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_files_of_several_pictures_are_told(kind: str, tmp_path: Path) -> None:
    pages = [Image.fromarray(image) for image in pixels(7)]
    buffer = io.BytesIO()
    pages[0].save(buffer, kind, save_all=True, append_images=pages[1:])
    ending = {"TIFF": "tif"}.get(kind, kind.lower())
    files = {f"a.{ending}": buffer.getvalue(), "b.png": encoded(pixels(1, seed=1)[0])}
    (note,) = [note for note in open_source(write_files(tmp_path, files)).notes if "pictures" in note]
    assert f"1 file of 2 looked at holds 7 pictures (as a.{ending}): the first of each is used" in note


@pytest.mark.parametrize(
    "ending", ["avif", "jp2", "j2k", "jpx", "tga", "pcx", "ico", "dib", "bmp", "webp", "gif", "ppm", "png"]
)
def test_every_format_is_read(ending: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for k, image in enumerate(pixels(2, 16, 16)):
        Image.fromarray(image).save(tmp_path / "set" / f"{k}.{ending}")
    data = open_source(tmp_path / "set")
    assert (data.report.used, data.skipped) == (2, {})
