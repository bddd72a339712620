"""One numeric scale for a whole source: random ranges and types, over files, parts and later sources."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import encoded, pixels, write_files
from numpy.typing import NDArray
from PIL import Image

from sparring.commands.evaluating.inputs import open_as_trained, open_samples
from sparring.data.dataset import Dataset
from sparring.data.images.scale import BYTES, UNIT, Scale, choose_scales, scale_of
from sparring.data.open import open_source
from sparring.data.reader_api import Extent, ReadOptions
from sparring.engine.data_spec import spec_from_json, spec_to_json
from sparring.engine.errors import SparringError

SEEDS = range(8)
TYPES = "uint16", "int16", "int32", "int64", "float32", "float64"


def rows(data: Dataset) -> NDArray[np.uint8]:
    return data[np.arange(len(data))]


def numbers(rng: np.random.Generator, kind: str, count: int = 12) -> NDArray[Any]:
    """Return images of a random range that no type and no habit suggests."""
    low = int(rng.integers(0 if kind[0] == "u" else -900, 900))
    span = int(rng.integers(400, 20_000))
    images = rng.integers(low, low + span, (count, 6, 5))
    images[0, 0, :2] = low, low + span - 1
    return (images + (rng.random(images.shape) if kind[0] == "f" else 0)).astype(kind)


def tiff(image: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "TIFF")
    return buffer.getvalue()


def png16(image: NDArray[np.uint16]) -> bytes:
    """Return a PNG of 16 bits, `[H, W, C]`, which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = image.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in image)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def tiff16(image: NDArray[np.uint16]) -> bytes:
    """Return an uncompressed RGB TIFF of 16 bits, which Pillow cannot write."""
    height, width, _ = image.shape
    data, at = image.astype("<u2").tobytes(), 8
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, at + len(data)), (259, 3, 1, 1), (262, 3, 1, 2),
            (273, 4, 1, at), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(data))]  # fmt: skip
    bits = struct.pack("<3H", 16, 16, 16)
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, at + len(data) + len(bits)) + data + bits + table


@pytest.mark.parametrize("seed", SEEDS)
def test_arrays_of_any_range_and_type_have_one_scale_over_all_parts(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    x = numbers(rng, TYPES[seed % len(TYPES)])
    np.savez(tmp_path / "a.npz", x_train=x[:8], x_test=x[8:])
    data = open_source(tmp_path / "a.npz")
    scale = Scale(*data.spec.scale)
    low = 0 if 0 < x.min() < x.max() / 8 else x.min()
    assert scale == pytest.approx((low, x.max()))
    assert np.array_equal(np.concatenate([rows(data), rows(data.split("test"))])[..., 0], scale(x))
    assert rows(data.split(None)).max() == 255
    assert any(f"{scale}" in note for note in data.notes)
    assert spec_from_json(spec_to_json(data.spec)) == data.spec


@pytest.mark.parametrize("seed", SEEDS)
def test_a_part_read_like_the_whole_has_the_same_bytes(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(100 + seed)
    x = numbers(rng, TYPES[seed % len(TYPES)])
    x = np.sort(x.reshape(-1)).reshape(x.shape)  # dark images first
    np.savez(tmp_path / "all.npz", x=x, y=np.arange(12) // 6)
    whole = open_source(tmp_path / "all.npz")
    for some in (slice(0, 3), slice(5, 6), slice(9, 12)):
        np.save(tmp_path / "some.npy", x[some])
        part = open_source(tmp_path / "some.npy", like=whole.spec, keep_duplicates=True)
        assert np.array_equal(rows(part), rows(whole)[some])
        assert part.spec.scale == whole.spec.scale
    np.save(tmp_path / "some.npy", x * np.array(2, x.dtype) if x.dtype.kind != "u" else x // 2 + x)
    assert any("beyond the scale" in note for note in open_source(tmp_path / "some.npy", like=whole.spec).notes)


@pytest.mark.parametrize("form", ["png", "tiff", "float", "int32", "rgb", "rgb tiff", "grey alpha"])
def test_files_of_more_than_8_bits_have_one_scale(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(len(form))
    channels = {"rgb": 3, "rgb tiff": 3, "grey alpha": 2}.get(form, 1)
    top = int(rng.integers(700, 9_000))
    x = rng.integers(0, top + 1, (10, 6, 5, channels)).astype(np.uint16)
    x[:5] //= 4
    x[0, 0, 0, 0], x[9, 0, 0, 0] = 0, top
    if form == "grey alpha":
        x[..., 1] = 65535
    write = {
        "png": png16, "rgb": png16, "grey alpha": png16, "rgb tiff": tiff16,
        "tiff": lambda image: tiff(image[..., 0]), "float": lambda image: tiff(image[..., 0].astype(np.float32) - 0.5),
        "int32": lambda image: tiff(image[..., 0].astype(np.int32) - 300),
    }[form]  # fmt: skip
    suffix = "png" if write is png16 else "tif"
    files = {f"{'ab'[k // 5]}/{k}.{suffix}": write(image) for k, image in enumerate(x)}
    data = open_source(write_files(tmp_path / "set", files), ReadOptions(mode="RGB" if channels == 3 else "L"))
    assert data.spec.scale[1] - data.spec.scale[0] == top
    assert np.array_equal(rows(data), Scale(0, top)(x[..., :3] if channels == 3 else x[..., :1]))
    one = open_source(write_files(tmp_path / "one", dict(list(files.items())[1:2])), like=data.spec)
    assert np.array_equal(rows(one)[0], rows(data)[1])


@pytest.mark.parametrize("opaque", [False, True])
def test_a_fourth_channel_of_12_bits_has_the_scale_of_the_others(opaque: bool, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 4096, (8, 6, 5, 4)).astype(np.uint16)
    x[0, 0, 0, 0] = 4095
    if opaque:  # transparency: mostly 65535, and in a corner 0
        x[..., 3] = 65535
        x[:, :2, :2, 3] = 0
    files = {f"{k}.png": png16(image) for k, image in enumerate(x)}
    data = open_source(write_files(tmp_path / "set", files), ReadOptions(mode="RGBA") if opaque else None)
    want = Scale(0, 4095)(x)
    if opaque:
        want[..., 3] = x[..., 3] >> 8
    assert data.report.mode == "RGBA" and np.array_equal(rows(data), want)


def test_bytes_stay_as_they_are_beside_wider_files_in_one_process_or_two(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 4096, (70, 6, 5, 3)).astype(np.uint16)
    bytes_ = pixels(70, 6, 5)
    files = {f"{k:03}w.png": png16(image) for k, image in enumerate(wide)}
    files |= {f"{k:03}b.png": encoded(image) for k, image in enumerate(bytes_)}
    data = open_source(write_files(tmp_path, files))
    assert np.array_equal(rows(data)[::2], bytes_)
    assert np.array_equal(rows(data)[1::2], Scale(0, int(wide.max()))(wide))
    assert any("became 0 to 255 in 70 of 140" in note for note in data.notes)


def test_a_tiff_of_many_bands_is_named_once_and_silently(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bands = tiff16(np.zeros((6, 5, 13), np.uint16)).replace(
        struct.pack("<HHII", 277, 3, 1, 3), struct.pack("<HHII", 277, 3, 1, 13)
    )
    files = {f"{k}.tif": bands + bytes(k) for k in range(3)} | {
        f"{k}.png": encoded(pixels(1, seed=k)[0]) for k in range(2)
    }
    data = open_source(write_files(tmp_path / "set", files))
    (reason,) = data.skipped
    assert data.report.used == 2 and len(data.skipped[reason]) == 3
    assert reason.startswith("is a TIFF of bands or numbers that Pillow cannot decode: save the images as [N, H, W, C]")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("top", [1, 3, 16, 20, 31])
@pytest.mark.parametrize("kind", ["uint8", "int64", "float64", "png"])
def test_few_small_whole_numbers_are_stretched(top: int, kind: str, tmp_path: Path) -> None:
    x = np.random.default_rng(top).integers(0, top + 1, (9, 6, 5))
    x[:, 0, 0] = range(9)  # different images
    x = np.minimum(x, top)
    x[0, 0, 1] = top
    if kind == "png":
        write_files(
            tmp_path / "a", {f"{k}.png": encoded(image[..., None].astype(np.uint8)) for k, image in enumerate(x)}
        )
        source = tmp_path / "a"
    else:
        source = tmp_path / "a.npz"
        np.savez(source, x=x.astype(kind))
    data = open_source(source, keep_duplicates=True)
    assert np.array_equal(rows(data)[..., 0], Scale(0, top)(x))
    assert any(f"values from 0 to {top} became 0 to 255" in note for note in data.notes)
    if kind == "float64" and top == 1:  # floats from 0 to 1: plain
        return
    dim = np.minimum(x, top // 2 + 1)
    np.savez(tmp_path / "dim.npz", x=dim.astype(np.uint8))
    assert np.array_equal(rows(open_source(tmp_path / "dim.npz", like=data.spec))[..., 0], Scale(0, top)(dim))
    np.savez(tmp_path / "bytes.npz", x=pixels(3, 6, 5, 1))  # real bytes are bytes for this model, too
    assert np.array_equal(rows(open_source(tmp_path / "bytes.npz", like=data.spec)), pixels(3, 6, 5, 1))


@pytest.mark.parametrize(
    ("extent", "want"),
    [
        (Extent(0, 1, False, True), UNIT),
        (Extent(0, 0.4, False, True), UNIT),
        (Extent(0, 1.0001, False, True), Scale(0, 1.0001)),
        (Extent(-0.002, 0.9, False, True), Scale(-0.002, 1)),
        (Extent(-1, 0.97, False, True), Scale(-1, 1)),
        (Extent(-0.3, 0.9, False, True), Scale(-0.3, 0.9)),
        (Extent(0, 1e-3, False, True), Scale(0, 1e-3)),
        (Extent(0, 254.6, False, True), BYTES),
        (Extent(0, 90.5, False, True), Scale(0, 90.5)),
        (Extent(0, 90, True, False), BYTES),
        (Extent(0, 256, True, False), Scale(0, 256)),
        (Extent(31768, 33768, True, False), Scale(31768, 33768)),
        (Extent(7, 7, False, True), Scale(7, 8)),
    ],
)
def test_scale_of_a_range(extent: Extent, want: Scale) -> None:
    assert scale_of(extent) == want


def test_floats_and_whole_numbers_of_one_source() -> None:
    whole, unit, wide = Extent(0, 4095, True, False), Extent(0, 1, False, True), Extent(-3, 9.5, False, True)
    assert choose_scales([whole, unit]) == (Scale(0, 4095), UNIT)
    assert choose_scales([whole, wide]) == (Scale(-3, 4095),) * 2


@pytest.mark.parametrize("seed", range(3))
def test_a_model_of_bytes_takes_bytes_in_any_form_and_nothing_else(seed: int, tmp_path: Path) -> None:
    images = pixels(6, 6, 5, 1, seed)
    np.save(tmp_path / "bytes.npy", images)
    data = open_source(tmp_path / "bytes.npy")
    assert "scale" not in spec_to_json(data.spec)
    for form in (images.astype(np.int64), images / 255, images.astype(np.float32), images / 255 * 1.0002 - 1e-4):
        np.save(tmp_path / "new.npy", form[:2] // 1 if form.dtype.kind == "i" else form[:2])
        assert np.abs(rows(open_source(tmp_path / "new.npy", like=data.spec)).astype(int) - images[:2]).max() <= 1
    np.save(tmp_path / "new.npy", images.astype(np.int32) * 16)
    with pytest.raises(SparringError, match=r"new.npy holds values from \d+ to \d+, .* trained on bytes: save it as"):
        open_source(tmp_path / "new.npy", like=data.spec)
    wide = {"a.png": png16(images[0].astype(np.uint16) * 16), "b.png": encoded(images[1])}
    new = open_source(write_files(tmp_path / "new", wide), like=data.spec)
    assert (new.names, [reason[:11] for reason in new.skipped]) == (["b.png"], ["holds value"])


def test_samples_and_other_data_are_compared_by_the_scale_of_the_data(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 4000, (20, 6, 5)).astype(np.int16)
    x[0, 0, 0] = 3999
    np.savez(tmp_path / "real.npz", x=x)
    np.savez(tmp_path / "dim.npz", x=x // 4)
    data = open_source(tmp_path / "real.npz")
    samples = open_samples(data.spec, tmp_path / "dim.npz", data, ReadOptions(), lambda done, total: None)
    assert np.array_equal(rows(samples)[..., 0], Scale(0, 3999)(x // 4))
    size = {"size": None, "mode": None}
    again = open_as_trained(data.spec, tmp_path / "dim.npz", size, lambda done, total: None)
    assert again.spec.scale == data.spec.scale and rows(again).max() == 64
    assert open_as_trained(data.spec, tmp_path / "real.npz", size, lambda d, t: None).fingerprint == data.fingerprint


def test_a_part_of_another_scale_is_told(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((9, 6, 5)) * 255
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x / 255)
    (note,) = [note for note in open_source(tmp_path / "a.npz").notes if "bring all to one scale" in note]
    assert note.startswith("the values of a.npz:x_test end at 0.9")
    np.savez(tmp_path / "b.npz", x_train=x, x_test=x / 3)
    assert not any("bring all" in note for note in open_source(tmp_path / "b.npz").notes)


def test_dark_constant_and_outlying_values_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    outlier = rng.normal(size=(30, 6, 5))
    outlier[3, 2, 1] = 3e4
    half = pixels(20, 6, 5)
    half[:9] = half[:9, :1, :1]
    for name, x, word in (
        ("outlier", outlier, "1 of 256 levels: a few values far away set the scale"),
        ("white", np.full((5, 6, 5), 255, np.uint8), r"every image is of one colour \(white\)"),
        ("black", np.zeros((5, 6, 5)), r"every image is of one colour \(black\)"),
        ("half", half, "9 of 20 images looked at are of one colour each"),
    ):
        np.save(tmp_path / f"{name}.npy", x)
        assert any(word.replace("\\", "") in note for note in open_source(tmp_path / f"{name}.npy").notes), name
    np.save(tmp_path / "dim.npy", pixels(5, 6, 5, 1) // 16)
    like = open_source(tmp_path / "half.npy", ReadOptions(mode="L")).spec
    notes = open_source(tmp_path / "dim.npy", like=like).notes
    assert any("nearly black: the brightest value is 15 of 255" in note for note in notes)


def test_plain_bytes_keep_their_fingerprint(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=pixels(9, 6, 5), y=np.arange(9) % 3)
    data = open_source(tmp_path / "a.npz")
    assert data.fingerprint == "2e2abf64236228153eb54edb78348150"
    assert data.notes == []
