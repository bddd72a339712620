from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.engine import image_io
from sparring.engine.errors import SparringError
from sparring.engine.image_io import grid, save_animation, save_png, to_image, to_uint8


def test_bounds_and_centre_of_the_range() -> None:
    images = torch.tensor([-1.0, 0.0, 1.0, -7.0, 7.0, 1 / 255]).view(1, 1, 2, 3)
    assert to_uint8(images).tolist() == [[[[0], [128], [255]], [[0], [255], [128]]]]


def test_uint8_round_trip() -> None:
    every = torch.arange(256).view(1, 1, 16, 16)
    assert np.array_equal(to_uint8(every / 127.5 - 1).ravel(), np.arange(256))
    assert np.array_equal(to_uint8((every / 127.5 - 1).bfloat16()).shape, (1, 16, 16, 1))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA"), (7, "RGB")])
def test_modes(channels: int, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4, channels), np.uint8)
    picture = to_image(pixels[0])
    assert (picture.mode, picture.size) == (mode, (4, 6))
    page = grid(pixels)
    assert page.mode == mode and page.size == (3 * 5 * 10, 2 * 7 * 10)  # each ten times as large, with a line after it
    cell = np.asarray(page).reshape(2 * 7, 10, 3 * 5, 10, -1)[7:14, 0, 5:10, 0]  # second row, second column
    shown = min(channels, 4 if channels <= 4 else 3)
    assert np.array_equal(cell[:6, :4], pixels[4][..., :shown])
    assert (cell[6] == 128).all() and (cell[:, 4] == 128).all()


@pytest.mark.parametrize(("count", "size"), [(1, (40, 30)), (2, (80, 30)), (4, (80, 60)), (5, (120, 60))])
def test_a_grid_is_nearly_square(count: int, size: tuple[int, int]) -> None:
    assert grid(np.zeros((count, 30, 40, 3), np.uint8)).size == size
    assert grid(np.zeros((4, 30, 40, 3), np.uint8), columns=4).size == (160, 30)


def test_png_metadata_mark_an_image_as_generated(tmp_path: Path) -> None:
    save_png(grid(np.zeros((4, 8, 8, 1), np.uint8)), tmp_path / "a.png", "run digits-r3, image 640")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert picture.info["Software"] == "sparring"
        assert "Generated" in picture.info["Description"] and "run digits-r3, image 640" in picture.info["Description"]


def frames_of(folder: Path, count: int, mode: str = "L", side: int = 32) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{k:03d}.png" for k in range(count)]
    for k, path in enumerate(paths):
        Image.new(mode, (side, side), k * 20 % 256 if mode == "L" else (k * 20 % 256, 128)).save(path)
    return paths


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_an_animation_has_all_frames(tmp_path: Path, mode: str) -> None:
    save_animation(frames_of(tmp_path, 7, mode), tmp_path / "film.webp")
    with Image.open(tmp_path / "film.webp") as film:
        assert film.format == "WEBP" and film.is_animated and film.n_frames == 7  # type: ignore[attr-defined]
        assert film.size == (32, 32)


def test_an_animation_of_one_frame_and_of_none(tmp_path: Path) -> None:
    save_animation([], tmp_path / "none.webp")
    assert not (tmp_path / "none.webp").exists()
    save_animation(frames_of(tmp_path, 1), tmp_path / "one.webp")
    with Image.open(tmp_path / "one.webp") as film:
        assert film.size == (32, 32)


def test_an_animation_skips_damaged_frames(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, 4)
    frames[1].write_bytes(b"no picture")
    frames[2].write_bytes(frames[0].read_bytes()[:40])
    save_animation(frames, tmp_path / "film.webp")
    with Image.open(tmp_path / "film.webp") as film:
        assert film.n_frames == 2  # type: ignore[attr-defined]


def test_an_animation_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_io, "ANIMATION_MAX_FRAMES", 5)
    monkeypatch.setattr(image_io, "ANIMATION_MAX_SIDE_PIXELS", 16)
    save_animation(frames_of(tmp_path, 12), tmp_path / "film.webp")
    with Image.open(tmp_path / "film.webp") as film:
        assert film.n_frames == 5 and film.size == (16, 16)  # type: ignore[attr-defined]
        film.seek(4)
        last = int(np.asarray(film.convert("L")).mean())
    assert abs(last - 11 * 20) < 6


def test_an_animation_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SparringError, match=r"film\.webp cannot be written"):
        save_animation(frames_of(tmp_path, 2), tmp_path / "file" / "film.webp")
