"""The cache: built once, found again, shared, never torn; and the choice of size and mode."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import encoded, pixels, real, write_files, write_zip

from sparring.data.images.shape import choose_shape, parse_size
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions, Shape
from sparring.engine.errors import SparringError, UsageError

IMAGES = pixels(12)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_files(tmp_path / "photos", {f"{k}.png": encoded(IMAGES[k]) for k in range(12)})


def cached(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache/data").iterdir() if path.suffix != ".lock")


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_parse_size_reads_what_is_written(height: int, width: int) -> None:
    assert parse_size(f"{height}x{width}") == parse_size(f"{height}X{width}") == (height, width)
    assert parse_size(str(height)) == parse_size(height) == (height, height)


@given(st.text(max_size=9).filter(lambda text: not all(c in "0123456789xX" for c in text)))
def test_parse_size_says_what_it_wants(text: str) -> None:
    with pytest.raises(UsageError, match="write HxW"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "x", "1x", "x1", "1x2x3", "9" * 5000])
def test_parse_size_takes_no_half_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="write HxW"):
        parse_size(text)


def test_the_second_open_decodes_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_source(photos)
    monkeypatch.setattr("sparring.data.open.find", lambda *_: pytest.fail("looked through again"))
    told: list[int] = []
    second = open_source(photos, on_progress=lambda done, of: told.append(done))
    assert (second.report, second.spec, told) == (first.report, first.spec, [])
    assert np.array_equal(second[np.arange(12)], IMAGES)


def test_vectors_are_kept_in_the_cache_and_in_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
    np.savez(tmp_path / "a.npz", x=IMAGES, y=y)
    np.savez(tmp_path / "b.npz", x=IMAGES, y=y * np.float32(2))
    other = open_source(tmp_path / "b.npz")
    first = open_source(tmp_path / "a.npz")
    assert first.fingerprint != other.fingerprint and first.report.vectors == 2
    monkeypatch.setattr("sparring.data.open.find", lambda *_: pytest.fail("looked through again"))
    second = open_source(tmp_path / "a.npz")
    assert (second.report, second.spec) == (first.report, first.spec)
    rows = np.array([3, 0])
    assert np.array_equal(second.conditions(rows), y[rows])


def test_without_its_vectors_an_image_is_unlabelled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=np.linspace(0, 1, 12))
    data = open_source(tmp_path / "a.npz")
    for plain in (data.without_vectors(), data.without_vectors().split(None)):
        assert plain.vectors is None and plain.spec.condition_stats == () and plain.fingerprint == data.fingerprint
        assert plain.conditions(np.arange(3)).tolist() == [-1] * 3
    with pytest.raises(UsageError, match="--label-fraction is for classes"):
        data.with_labels(0.5)


def test_a_changed_folder_is_read_again(photos: Path) -> None:
    first = open_source(photos)
    (photos / "new.png").write_bytes(encoded(pixels(1, seed=9)[0]))
    second = open_source(photos)
    assert (len(second), second.fingerprint != first.fingerprint) == (13, True)


def test_size_and_mode_have_caches_of_their_own(photos: Path) -> None:
    prints = {
        open_source(photos, ReadOptions(size=size, mode=mode)).fingerprint
        for size in (None, (4, 4))
        for mode in (None, "L", "RGBA")
    }
    assert len(prints) == 6


def test_equal_content_keeps_a_report_for_each_source(photos: Path, tmp_path: Path) -> None:
    files = {f"{k}.png": encoded(IMAGES[k]) for k in range(12)}
    other = write_zip(tmp_path / "other.zip", {**files, "notes.txt": b"x"})
    one, two, again = open_source(photos), open_source(other), open_source(other)
    assert one.folder == two.folder
    assert one.report.skipped == {}
    assert again.report == two.report
    assert list(two.report.skipped.values()) == [["notes.txt"]]
    assert (one.report.source, again.report.source) == (str(photos), str(other))


OPEN = """
import sys, numpy as np
from sparring.data.open import open_source
data = open_source(sys.argv[1])
print(data.fingerprint, int(data[np.arange(len(data))].sum()))
"""


def test_two_processes_may_build_at_once(photos: Path, tmp_path: Path) -> None:
    racers = [
        subprocess.Popen([sys.executable, "-c", OPEN, photos], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = {racer.communicate(timeout=60)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    data = open_source(photos)
    assert said == {f"{data.fingerprint} {IMAGES.sum(dtype=int)}\n"}
    assert [path.name for path in cached(tmp_path)] == [data.fingerprint]


STALL = """
import sys, time
from sparring.data import readers
from sparring.data.readers import images
from sparring.data.open import open_source
def stall(self, rows, shape, tell):
    rows[:] = 7
    rows.flush()
    print("half way", flush=True)
    time.sleep(60)
images.ImageFiles.ingest = stall
open_source(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_build_is_not_taken_for_whole_and_swept(photos: Path, tmp_path: Path) -> None:
    build = subprocess.Popen([sys.executable, "-c", STALL, photos], stdout=subprocess.PIPE, text=True)
    assert build.stdout
    assert build.stdout.readline() == "half way\n"
    (left,) = cached(tmp_path)
    assert left.name.startswith(".building-")
    assert (left / "rows.bin").exists()
    write_files(tmp_path / "others", {"a.png": encoded(IMAGES[0])})
    open_source(tmp_path / "others")
    assert left.exists()  # its process lives
    build.send_signal(signal.SIGKILL)
    build.communicate()
    data = open_source(photos)
    assert np.array_equal(data[np.arange(12)], IMAGES)
    assert not left.exists()


def test_an_interrupted_build_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_source(photos, on_progress=interrupt)
    assert cached(tmp_path) == []


def test_free_space_is_checked_before(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 12 * 9 * 7 * 3})()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(SparringError, match="SPARRING_CACHE to another disk, or take a smaller --size"):
        open_source(photos)
    assert cached(tmp_path) == []
    usage.free *= 2
    assert len(open_source(photos)) == 12


@pytest.mark.parametrize("harm", ["meta", "meta list", "index", "index list", "pixels", "rows", "no pixels"])
def test_a_damaged_cache_is_built_anew(harm: str, photos: Path, tmp_path: Path) -> None:
    data = open_source(photos)
    (index,) = (tmp_path / "cache/index").iterdir()
    folder = data.folder
    del data
    match harm:
        case "meta":
            (folder / "meta.json").write_text('{"rows": ')
        case "meta list":
            (folder / "meta.json").write_text("[]")
        case "index":
            index.write_bytes(b"\xff\xfe{")
        case "index list":
            index.write_text(json.dumps(["x"]))
        case "pixels":
            os.truncate(folder / "rows.bin", 100)
        case "rows":
            (folder / "rows.npy").write_bytes(b"")
        case "no pixels":
            (folder / "rows.bin").unlink()
    again = open_source(photos)
    assert np.array_equal(again[np.arange(12)], IMAGES)
    assert again.folder == folder


def test_a_cache_that_cannot_be_written_is_named(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "file"))
    with pytest.raises(SparringError, match=r"file.* cannot be written: .*set SPARRING_CACHE"):
        open_source(photos)


def shapes(**counts: int) -> Counter[Shape]:
    """`shapes(RGB_32x32=5)`."""
    found: Counter[Shape] = Counter()
    for text, count in counts.items():
        mode, _, size = text.partition("_")
        height, width = map(int, size.split("x"))
        found[Shape(height, width, mode)] = count
    return found


@pytest.mark.parametrize(
    ("found", "want"),
    [
        ({"RGB_32x32": 9}, (32, 32, "RGB")),
        ({"L_112x92": 9}, (112, 92, "L")),
        ({"RGB_32x32": 99, "RGB_500x400": 1}, (32, 32, "RGB")),  # one odd file does not decide
        ({"RGB_256x256": 9}, (64, 64, "RGB")),
        ({"RGB_300x200": 5, "RGB_600x400": 5}, (64, 43, "RGB")),
        ({"RGB_20x20": 5, "RGB_30x30": 5}, (30, 30, "RGB")),
        ({"RGB_1x9000": 1}, (1, 64, "RGB")),
        ({"L_8x8": 5, "RGB_8x8": 1}, (8, 8, "RGB")),
        ({"L_8x8": 5, "LA_8x8": 1}, (8, 8, "L")),
        ({"RGBA_8x8": 5}, (8, 8, "RGB")),
    ],
)
def test_the_shape_that_is_chosen(found: dict[str, int], want: tuple[int, int, str]) -> None:
    shape, notes = choose_shape(shapes(**found), None, None)
    assert tuple(shape) == want
    assert bool(notes) == (len(found) > 1 or "RGBA_8x8" in found or (want[0], want[1]) not in {(32, 32), (112, 92)})


@given(st.dictionaries(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.integers(1, 99), min_size=1))
def test_any_sizes_give_a_size_that_trains(sizes: dict[tuple[int, int], int]) -> None:
    shape, _ = choose_shape(Counter({Shape(*size, "RGB"): count for size, count in sizes.items()}), None, None)
    assert min(shape[:2]) >= 1
    assert max(shape[:2]) <= 128


def test_dirty_folder_of_all_modes_and_sizes(tmp_path: Path) -> None:
    files = {
        "wide.png": encoded(pixels(1, 20, 60)[0]), "high.jpg": encoded(pixels(1, 60, 20)[0], "JPEG"),
        "grey.png": encoded(pixels(1, 30, 30, 1)[0]), "alpha.png": encoded(pixels(1, 30, 30, 4)[0]),
    }  # fmt: skip
    data = open_source(write_files(tmp_path / "mix", files))
    assert data.report.used == 4
    assert data.report.shapes_found == {"30x30 L": 1, "30x30 RGBA": 1, "20x60 RGB": 1, "60x20 RGB": 1}
    assert data.spec.channels == 3
    assert sum("--size" in note or "--mode RGBA" in note for note in data.report.notes) == 2
    assert open_source(tmp_path / "mix", ReadOptions(size=(16, 8), mode="RGBA")).spec.shape == (4, 16, 8)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "it is empty"),
        ({"a.txt": b"x", "b.TXT": b"y", "c.doc": b"z"}, "2 x .txt, 1 x .doc"),
        ({"README": b"x"}, "1 x files without suffix"),
        ({"a.zip": b"PK", "b.zip": b"PK"}, "name it itself"),
        ({"a.png": b"", "b.png": b"x"}, "none of 2 images can be read .the first: a.png is empty"),
    ],
)
def test_nothing_usable_says_what_was_found(files: dict[str, bytes], words: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(SparringError, match=f"nothing usable in .*set: .*{words}"):
        open_source(write_files(tmp_path / "set", files))


def test_one_image_is_a_set(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a.png": encoded(IMAGES[0])}) / "a.png"
    assert np.array_equal(open_source(path)[np.arange(1)], IMAGES[:1])


@pytest.mark.parametrize("source", ["", "no-such", "~nobody-here/x", "x" * 5000, "ftp://host/x", "a\nb"])
def test_an_unknown_source_is_a_usage_error(source: str) -> None:
    with pytest.raises(UsageError, match="SOURCE is"):
        open_source(source)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        open_source("mnits")


@pytest.mark.parametrize(("size", "mode"), [((0, 5), None), ((5, 20000), None), (None, "CMYK")])
def test_bad_size_and_mode_are_usage_errors(size: tuple[int, int] | None, mode: str | None, photos: Path) -> None:
    with pytest.raises(UsageError):
        open_source(photos, ReadOptions(size=size, mode=mode))


def test_digits_are_the_real_ones() -> None:
    pytest.importorskip("sklearn")
    data = open_source("digits")
    assert data.spec.shape == (1, 8, 8)
    assert data.report.splits == {"train": 1500, "test": 297}
    assert data[np.arange(len(data))].max() == 255


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "shape", "classes"),
    [
        ("orl-faces.zip", 400, (1, 112, 92), 40), ("faces-easy.zip", 435, (3, 64, 55), 0),
        ("set14.zip", 14, (3, 63, 64), 0), ("usps/usps.npz", 7291, (1, 16, 16), 10), ("inpainting", 6, (3, 64, 64), 0),
    ],
)  # fmt: skip
def test_real_data(name: str, count: int, shape: tuple[int, int, int], classes: int) -> None:
    data = open_source(real(name))
    assert (len(data), data.spec.shape, len(data.spec.classes)) == (count, shape, classes)
    assert data.report.skipped == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_known_names_are_looked_up_in_sparring_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real(name)
    monkeypatch.setattr("sparring.data.resolve.download", lambda *_: pytest.fail("went to the network"))
    data = open_source(name)
    assert data.report.splits == {"train": 60000, "test": 10000}
    assert data.spec.classes == tuple("0123456789")
    start = time.perf_counter()
    open_source(name)
    assert time.perf_counter() - start < 1


@pytest.mark.slow
def test_cifar10_as_jpeg_says_that_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    by_path = open_source(real("cifar10-jpeg.zip"))
    by_name = open_source("cifar10")
    assert by_path.fingerprint == by_name.fingerprint
    assert any("JPEG re-encoded" in note for note in by_name.report.notes)
    assert by_name.report.splits == {"train": 50000, "test": 10000}


def test_hidden_labels_are_told_by_the_spec(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        x=np.zeros((40, 4, 4), np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None],
        y=np.arange(40) % 2,
    )
    images = open_source(tmp_path / "a.npz")
    assert images.spec.unlabelled == 0 and images.class_counts == (20, 20)
    few, none = images.with_labels(0.1), images.with_labels(0)
    assert few.spec.unlabelled == 36 and few.spec.classes == ("0", "1") and few.class_counts == (2, 2)
    assert none.spec.classes == () and none.spec.unlabelled == 0 and none.class_counts == ()
    assert few.with_labels(None).class_counts == (20, 20) and few.fingerprint == images.fingerprint


def test_relabelled_images_are_the_same_with_other_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=pixels(4), y=np.array([0, 0, 1, 1]))
    images = open_source(tmp_path / "a.npz")
    told = images.relabelled(np.array([-1, 2, 0, -1]), ("p", "q", "r"))
    assert told.labels.tolist() == [-1, 2, 0, -1] and told.class_counts == (1, 0, 1)
    assert told.spec.classes == ("p", "q", "r") and told.spec.unlabelled == 2 and told.spec.count == 4
    assert told.fingerprint == images.fingerprint and np.array_equal(told[np.arange(4)], images[np.arange(4)])
    assert images.labels.tolist() == [0, 0, 1, 1] and images.spec.classes == ("0", "1")  # as they were
    assert images.relabelled(np.full(4, -1), ()).spec.unlabelled == 0


def test_names_are_those_of_the_split_in_its_order(tmp_path: Path) -> None:
    x = pixels(5)
    np.savez(tmp_path / "a.npz", x_train=x[:3], x_test=x[3:])
    images = open_source(tmp_path / "a.npz")
    names, held_out = images.names, images.split("test").names
    assert len(names) == len(images) == 3 and len(held_out) == 2
    assert images.split(None).names == [*names, *held_out] and len(set(names + held_out)) == 5
    assert images.relabelled(np.zeros(3, np.int64), ("a",)).names == names


def test_a_cache_inside_the_source_is_no_part_of_it(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(photos / "cache"))
    first = open_source(photos)
    assert first.skipped == {"is a cache (CACHEDIR.TAG)": ["cache/"]} and len(first) == 12
    monkeypatch.setattr("sparring.data.open.find", lambda *_: pytest.fail("looked through again"))
    assert open_source(photos).report == first.report
