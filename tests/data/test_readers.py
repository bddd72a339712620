"""One table of all formats: the same images and labels come out, whatever they lie in."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from makers import (
    CONTAINERS,
    Pixels,
    cifar_batch,
    encoded,
    idx,
    mnist_files,
    pixels,
    planes,
    write_files,
    write_tar,
    write_targz,
    write_zip,
)

from sparring.data.dataset import Dataset
from sparring.data.files.archive import Unreadable
from sparring.data.files.packed import open_container
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.readers.idx import parse_idx
from sparring.engine.errors import SparringError


def by_label(data: Dataset) -> dict[str, list[bytes]]:
    """Label -> the images, in order of their bytes."""
    found: dict[str, list[bytes]] = {}
    for row, label in zip(data[np.arange(len(data))], data.labels, strict=True):
        found.setdefault(data.spec.classes[label] if label >= 0 else "", []).append(row.tobytes())
    return {label: sorted(rows) for label, rows in found.items()}


def expected(images: Pixels, labels: list[str]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for image, label in zip(images, labels, strict=True):
        found.setdefault(label, []).append(image.tobytes())
    return {label: sorted(rows) for label, rows in found.items()}


TRAIN, TEST = pixels(6), pixels(3, seed=1)
LABELS = ["cat", "dog", "cat", "emu", "dog", "cat"]

LAYOUTS = {
    "flat": ({f"img{k}.png": encoded(TRAIN[k]) for k in range(6)}, [""] * 6, False),
    "classes": ({f"{LABELS[k]}/{k}.PNG": encoded(TRAIN[k]) for k in range(6)}, LABELS, False),
    "splits": (
        {f"train/{LABELS[k]}/{k}.bmp": encoded(TRAIN[k], "BMP") for k in range(6)}
        | {f"test/{LABELS[k]}/{k}.tiff": encoded(TEST[k], "TIFF") for k in range(3)},
        LABELS,
        True,
    ),
    "top folder, val, deep": (
        {f"set-1.0/Training/{LABELS[k]}/deep/er/{k}.png": encoded(TRAIN[k]) for k in range(6)}
        | {f"set-1.0/val/{LABELS[k]}/{k}.png": encoded(TEST[k]) for k in range(3)},
        LABELS,
        True,
    ),
    "split without classes": (
        {f"train/{k}.png": encoded(TRAIN[k]) for k in range(6)} | {f"test/{k}.png": encoded(TEST[k]) for k in range(3)},
        [""] * 6,
        True,
    ),
    "half labelled": (
        {(f"{LABELS[k]}/{k}.png" if k < 3 else f"{k}.png"): encoded(TRAIN[k]) for k in range(6)},
        [*LABELS[:3], "", "", ""],
        False,
    ),
    "a class called train": (
        {f"{'train' if label == 'cat' else label}/{k}.png": encoded(TRAIN[k]) for k, label in enumerate(LABELS)},
        ["train" if label == "cat" else label for label in LABELS],
        False,
    ),
    "no suffixes": ({f"{LABELS[k]}/{k}": encoded(TRAIN[k]) for k in range(6)}, LABELS, False),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_image_files_are_read_alike_in_all_containers(layout: str, container: str, tmp_path: Path) -> None:
    files, labels, split = LAYOUTS[layout]
    data = open_source(CONTAINERS[container](tmp_path / container, files))
    assert by_label(data) == expected(TRAIN, labels)
    assert data.spec.shape == (3, 9, 7)
    assert data.report.splits == {"train": 6, "test": 3 * split}
    if split:
        assert by_label(data.split("test")) == expected(TEST, labels[:3])
    assert data.report.skipped == {}


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled"])
def test_a_folder_of_what_has_no_label_is_no_class(name: str, tmp_path: Path) -> None:
    files = {f"{folder}/{k}.png": encoded(TRAIN[k]) for k, folder in enumerate(["cat", "dog", name, name])}
    assert open_source(write_files(tmp_path / "a", files)).report.classes == {"cat": 1, "dog": 1}
    parts = {
        f"{'test/dog' if k == 1 else f'train/{of}'}/{k}.png": encoded(TRAIN[k])
        for k, of in enumerate(["cat", "", name])
    }
    data = open_source(write_files(tmp_path / "b", parts))
    assert list(data.report.classes) == ["cat", "dog"] and sorted(data.labels.tolist()) == [-1, 0]


def test_equal_content_has_one_fingerprint_in_zip_and_tar(tmp_path: Path) -> None:
    files, _, _ = LAYOUTS["splits"]
    prints = {open_source(make(tmp_path / name, files)).fingerprint for name, make in CONTAINERS.items()}
    assert len(prints) == 1


def test_a_folder_that_is_all_test_is_trained_on(tmp_path: Path) -> None:
    write_files(tmp_path / "set/test", {f"{k}.png": encoded(TEST[k]) for k in range(3)})
    data = open_source(tmp_path / "set")
    assert len(data) == 3
    assert any("marked as test" in note for note in data.report.notes)


GREY, GREY_TEST = pixels(5, 8, 6, 1), pixels(2, 8, 6, 1, seed=1)
DIGITS = [3, 1, 3, 0, 9]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("container", CONTAINERS)
def test_idx_four_files(container: str, packed: bool, tmp_path: Path) -> None:
    files = mnist_files(GREY, GREY_TEST, packed, DIGITS)
    data = open_source(CONTAINERS[container](tmp_path / container, files))
    assert data.report.format == "IDX"
    assert np.array_equal(data[np.arange(5)], GREY)
    assert [data.spec.classes[label] for label in data.labels] == ["3", "1", "3", "0", "9"]
    assert np.array_equal(data.split("test")[np.arange(2)], GREY_TEST)


def test_idx_one_file(tmp_path: Path) -> None:
    for name, content in (("a.idx", idx(GREY[..., 0])), ("b.idx.gz", gzip.compress(idx(GREY[..., 0])))):
        write_files(tmp_path, {name: content})
        data = open_source(tmp_path / name)
        assert np.array_equal(data[np.arange(5)], GREY)
        assert data.report.unlabelled == 5


def test_idx_packed_and_unpacked_side_by_side_count_once(tmp_path: Path) -> None:
    both = mnist_files(GREY, GREY_TEST, False, DIGITS) | mnist_files(GREY, GREY_TEST, True, DIGITS)
    data = open_source(write_files(tmp_path / "raw", both))
    assert data.report.splits == {"train": 5, "test": 2}
    assert len(data.report.skipped["is the same, packed"]) == 4


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x08", "no IDX file"),
        (b"\0\0\x0d\x01\0\0\0\1" + bytes(4), "type 0x0d"),
        (idx(GREY[..., 0])[:-1], "torn"),
        (idx(GREY[..., 0]) + b"x", "torn"),
        (gzip.compress(idx(GREY[..., 0]) + b"x", mtime=0), "unpacks to more"),
        (gzip.compress(idx(GREY[..., 0]), mtime=0)[:-20], "damaged"),
        (gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 60_000, 28, 28) + bytes(9), mtime=0), "torn"),
        (gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 600_000, 280, 280) + bytes(9), mtime=0), "unpacks to 47"),
        (
            gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 100_000, 28, 28) + bytes(9), mtime=0),
            "decompression bomb",
        ),
    ],
)
def test_bad_idx_is_refused_by_name(content: bytes, word: str, tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=word) as refused:
        parse_idx(content, "the-file")
    assert "the-file" in str(refused.value)
    write_files(tmp_path / "set", {"train-images-idx3-ubyte.gz": content})
    with pytest.raises(SparringError, match=r"train-images-idx3-ubyte\.gz"):
        open_source(tmp_path / "set")


COLOUR, COLOUR_TEST = pixels(5, 32, 32, 3), pixels(2, 32, 32, 3, seed=1)
NAMES_10 = [f"class{k}" for k in range(10)]


def cifar10_python() -> dict[str, bytes]:
    return {
        "cifar-10-batches-py/data_batch_1": cifar_batch(COLOUR[:3], DIGITS[:3]),
        "cifar-10-batches-py/data_batch_2": cifar_batch(COLOUR[3:], DIGITS[3:]),
        "cifar-10-batches-py/test_batch": cifar_batch(COLOUR_TEST, DIGITS[:2]),
        "cifar-10-batches-py/batches.meta": pickle.dumps({"label_names": NAMES_10, "num_vis": 3072}, 2),
        "cifar-10-batches-py/readme.html": b"<html>",
    }


def cifar10_binary() -> dict[str, bytes]:
    def rows(images: Pixels, labels: list[int]) -> bytes:
        return np.concatenate([np.array(labels, np.uint8)[:, None], planes(images)], 1).tobytes()

    return {
        "cifar-10-batches-bin/data_batch_1.bin": rows(COLOUR, DIGITS),
        "cifar-10-batches-bin/test_batch.bin": rows(COLOUR_TEST, DIGITS[:2]),
        "cifar-10-batches-bin/batches.meta.txt": "\n".join(NAMES_10).encode(),
    }


def cifar100_python() -> dict[str, bytes]:
    return {
        "cifar-100-python/train": cifar_batch(COLOUR, DIGITS, "fine_labels"),
        "cifar-100-python/test": cifar_batch(COLOUR_TEST, DIGITS[:2], "fine_labels"),
        "cifar-100-python/meta": pickle.dumps({"fine_label_names": NAMES_10}, 2),
    }


def cifar100_binary() -> dict[str, bytes]:
    def rows(images: Pixels, labels: list[int]) -> bytes:
        both = np.array([[0, label] for label in labels], np.uint8)
        return np.concatenate([both, planes(images)], 1).tobytes()

    return {
        "cifar-100-binary/train.bin": rows(COLOUR, DIGITS),
        "cifar-100-binary/test.bin": rows(COLOUR_TEST, DIGITS[:2]),
        "cifar-100-binary/fine_label_names.txt": "\n".join(NAMES_10).encode(),
    }


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("make", [cifar10_python, cifar10_binary, cifar100_python, cifar100_binary])
def test_cifar(make: object, container: str, tmp_path: Path) -> None:
    data = open_source(CONTAINERS[container](tmp_path / container, make()))  # type: ignore[operator]
    assert data.report.format.startswith("CIFAR")
    assert np.array_equal(data[np.arange(5)], COLOUR)
    assert [data.spec.classes[label] for label in data.labels] == [NAMES_10[k] for k in DIGITS]
    assert np.array_equal(data.split("test")[np.arange(2)], COLOUR_TEST)
    assert data.report.splits == {"train": 5, "test": 2}


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def hostile_pickles(marker: Path) -> dict[str, bytes]:
    system = f"cposix\nsystem\n(Vtouch {marker}\ntR.".encode()
    built = b"cbuiltins\nexec\n(Vopen(%a, 'w')\ntR." % str(marker)
    loads = pickle.dumps({"data": Payload(marker), "labels": []})
    nested = b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\n(I0\ntVb\ntR."
    dotted = b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93."
    return {"system": system, "exec": built, "reduce": loads, "nested": nested, "dotted": dotted}


@pytest.mark.parametrize("kind", ["system", "exec", "reduce", "nested", "dotted"])
def test_a_pickle_with_a_payload_is_refused_and_does_not_run(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    write_files(tmp_path / "set", {"data_batch_1": hostile_pickles(marker)[kind]})
    with pytest.raises(SparringError, match=r"data_batch_1 is refused as a CIFAR batch.*could run code"):
        open_source(tmp_path / "set")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("batch", "word"),
    [
        (b"", "nothing usable"),
        (b"hello", "nothing usable"),
        (b"\x80hello", "refused"),
        (pickle.dumps([1, 2]), "holds a list"),
        (pickle.dumps({"data": b"xyz", "labels": [1]}), "no uint8 data"),
        (cifar_batch(COLOUR, DIGITS[:3]), "labels do not match"),
        (cifar_batch(COLOUR, DIGITS, "other"), "no list of labels"),
    ],
)
def test_a_bad_cifar_batch_is_refused_by_name(batch: bytes, word: str, tmp_path: Path) -> None:
    write_files(tmp_path / "set", {"data_batch_1": batch})
    with pytest.raises(SparringError, match=word) as refused:
        open_source(tmp_path / "set")
    assert "data_batch_1" in str(refused.value)


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.asarray(array) for name, array in arrays.items()})
    return buffer.getvalue()


NUMPY: dict[str, tuple[dict[str, bytes], list[str] | None]] = {
    "npy": ({"a.npy": npy(TRAIN)}, None),
    "npy, channels first": ({"a.npy": npy(pixels(6, 3, 9, 7))}, None),
    "arr_0": ({"a.npz": npz(arr_0=TRAIN)}, None),
    "arr_0, arr_1": ({"a.npz": npz(arr_0=TRAIN, arr_1=[*DIGITS, 1])}, ["3", "1", "3", "0", "9", "1"]),
    "x, y": ({"A.NPZ": npz(x=TRAIN, y=np.array(LABELS))}, LABELS),
    "X, y as bytes": ({"a.npz": npz(X=TRAIN, y=np.array(LABELS, "S"))}, LABELS),
    "one-hot": ({"a.npz": npz(x=TRAIN, y=np.eye(6))}, ["0", "1", "2", "3", "4", "5"]),
    "floats and unlabelled": (
        {"a.npz": npz(x=TRAIN, y=np.array([0.0, 1, -1, 1, 0, 2]))},
        ["0", "1", "", "1", "0", "2"],
    ),
    "splits": ({"a.npz": npz(x_train=TRAIN, y_train=LABELS, x_test=TEST, y_test=LABELS[:3])}, LABELS),
    "npys in a folder": ({"x_train.npy": npy(TRAIN), "y_train.npy": npy(LABELS), "x_test.npy": npy(TEST)}, LABELS),
    "among others": ({"a.npz": npz(x=TRAIN), "README.md": b"#", "preview.png": encoded(TRAIN[0])}, None),
}


@pytest.mark.parametrize("container", ["folder", "set.zip", "set.tar.gz"])
@pytest.mark.parametrize("form", NUMPY)
def test_numpy(form: str, container: str, tmp_path: Path) -> None:
    files, labels = NUMPY[form]
    data = open_source(CONTAINERS[container](tmp_path / container, files))
    want = pixels(6, 3, 9, 7).transpose(0, 2, 3, 1) if "first" in form else TRAIN
    if "first" in form:  # 9 rows of 7 and 3 "channels first": read as what it says, [N, 3, 9, 7] -> [N, 9, 7, 3]
        assert data.spec.shape == (3, 9, 7)
    assert np.array_equal(data[np.arange(6)], want)
    given = [data.spec.classes[label] if label >= 0 else "" for label in data.labels]
    assert given == (labels or [""] * 6)


VECTORS: dict[str, np.ndarray] = {
    "attributes": np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]]),
    "counts": np.arange(12).reshape(6, 2),
    "floats": np.linspace(-2, 3, 18).reshape(6, 3),
    "ages": np.array([0.5, 1, 2, 3, -1, 70]),
    "a column": np.linspace(0, 1, 6)[:, None],
}


@pytest.mark.parametrize("form", VECTORS)
def test_labels_that_name_no_classes_are_vectors(form: str, tmp_path: Path) -> None:
    y = VECTORS[form]
    (tmp_path / "a.npz").write_bytes(npz(x=TRAIN, y=y))
    data = open_source(tmp_path / "a.npz")
    assert data.vectors is not None and data.vectors.dtype == np.float32
    assert np.array_equal(data.vectors, y.reshape(6, -1).astype(np.float32))
    assert (data.spec.classes, data.labels.tolist()) == ((), [-1] * 6)
    told = y.reshape(6, -1).astype(np.float32).astype(np.float64)
    assert np.allclose(data.spec.condition_stats, np.stack([told.mean(0), told.std(0)], 1))


def test_all_splits_have_vectors_where_one_has(tmp_path: Path) -> None:
    """Test ages that happen to be whole are ages still; the spread is that of the training images."""
    ages, whole = np.linspace(0, 2.5, 6), np.array([1.0, 2, 9])
    (tmp_path / "a.npz").write_bytes(npz(x_train=TRAIN, y_train=ages, x_test=TEST, y_test=whole))
    data = open_source(tmp_path / "a.npz")
    test, both = data.split("test"), data.split(None)
    assert test.vectors is not None and test.vectors[:, 0].tolist() == [1, 2, 9]
    assert both.vectors is not None and len(both.vectors) == 9
    assert data.spec.condition_stats == test.spec.condition_stats == both.spec.condition_stats


def test_numbers_become_bytes_by_the_range_of_all_parts(tmp_path: Path) -> None:
    low = np.linspace(-1, 0, 6 * 16).reshape(6, 4, 4)
    for name, train, test, want in (
        ("unit", low + 1, low + 1, 0),
        ("signed", low, np.zeros((2, 4, 4)) + 1, 0),
        ("wide", np.array([[[0, 65535]]], np.uint16), np.array([[[65535, 0]]], np.uint16), 0),
        ("bool", np.array([[[False, True]]]), np.array([[[True, False]]]), 0),
        ("small ints", np.array([[[0, 16]]]), np.array([[[0, 16]]]), 0),
        ("bytes", np.array([[[0, 200]]]), np.array([[[0, 16]]]), 0),
    ):
        (tmp_path / f"{name}.npz").write_bytes(npz(x_train=train, x_test=test))
        data = open_source(tmp_path / f"{name}.npz")
        assert data[np.arange(1)].min() == want
        if name == "signed":  # -1..0 is the lower half, because the test part goes to 1
            assert data[np.arange(6)].max() in (127, 128)
            assert data.split("test")[np.arange(2)].min() == 255
        elif name != "bytes":
            assert data[np.arange(len(data))].max() == 255
        else:  # whole numbers up to 255 are taken for bytes
            assert data[np.arange(1)].max() == 200


@pytest.mark.parametrize("channels", [5, 13])
def test_many_channels_train_as_they_are(channels: int, tmp_path: Path) -> None:
    images = pixels(4, 10, 12, channels)
    np.save(tmp_path / "a.npy", images)
    data = open_source(tmp_path / "a.npy")
    assert data.spec.shape == (channels, 10, 12)
    assert np.array_equal(data[np.arange(4)], images)
    assert open_source(tmp_path / "a.npy", ReadOptions(size=(5, 6))).spec.shape == (channels, 5, 6)
    with pytest.raises(SparringError, match="without --mode"):
        open_source(tmp_path / "a.npy", ReadOptions(mode="RGB"))


def test_arrays_with_alpha_are_laid_over_white_or_kept(tmp_path: Path) -> None:
    images = np.zeros((2, 4, 4, 4), np.uint8)  # black, one half transparent
    images[:, 2:, :, 3] = 255
    np.save(tmp_path / "a.npy", images)
    laid = open_source(tmp_path / "a.npy")[np.arange(2)]
    assert (laid[:, :2] == 255).all() and (laid[:, 2:] == 0).all()
    assert np.array_equal(open_source(tmp_path / "a.npy", ReadOptions(mode="RGBA"))[np.arange(2)], images)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.npy", b"", r"is empty \(zero bytes\)"),
        ("a.npy", npy(TRAIN)[:-9], "cannot be read"),
        ("a.npy", npy(np.array([{}, 1], object)), "cannot be read"),
        ("a.npy", npy(np.array(["x", "y"])), "not numbers"),
        ("a.npy", npy(np.zeros(7)), "has shape"),
        ("a.npy", npy(np.zeros((0, 4, 4))), "nothing usable"),
        ("a.npy", npy(np.full((2, 4, 4), np.nan)), "no finite numbers"),
        ("a.npz", b"PK\3\4 no zip", "cannot be read"),
        ("a.npz", npz(weights=TRAIN), "holds weights"),
        ("a.npz", npz(x=TRAIN, y=DIGITS), "labels do not match: a.npz:x has 6 images and 5 labels"),
        ("a.npz", npz(x=TRAIN, y=np.zeros((6, 4))), "the same vector for every image: .*one-hot"),
        ("a.npz", npz(x=TRAIN, y=np.zeros((6, 0))), "shape .6, 0.: labels are"),
        ("a.npz", npz(x=TRAIN, y=np.zeros((6, 2, 2))), "shape .6, 2, 2.: labels are"),
        ("a.npz", npz(x=TRAIN, y=np.full((6, 2), "a")), "<U1 of shape .6, 2.: labels are"),
        ("a.npz", npz(x=TRAIN, y=np.array([0, 1, 2, np.nan, 1, 0])), "y holds .*no finite.*-1 where an image has none"),
        ("a.npz", npz(x=TRAIN, y=np.array([0.5, 1, 2, np.inf, 1, 0])), "y holds .*no finite"),
        ("a.npz", npz(x=TRAIN, y=np.full((6, 2), 1e300)), "y holds .*no finite"),
        ("a.npz", npz(x=TRAIN, y=np.ones((5, 2))), "labels do not match"),
        ("a.npz", npz(x_train=TRAIN, y_train=np.linspace(0, 1, 6), x_test=TEST), "x_test comes without y_test"),
        (
            "a.npz",
            npz(x_train=TRAIN, y_train=np.arange(12).reshape(6, 2), x_test=TEST, y_test=np.arange(9).reshape(3, 3)),
            "vectors of 2 and of 3 numbers",
        ),
        ("a.npz", npz(x=np.zeros((700, 320, 320), np.uint8)), "decompression bomb"),
    ],
)
def test_bad_numpy_is_refused_by_name(name: str, content: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SparringError, match=word):
        open_source(tmp_path / name)


def test_objects_in_npy_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    np.save(tmp_path / "a.npy", np.array([Payload(marker)], object), allow_pickle=True)
    with pytest.raises(SparringError, match=r"a\.npy cannot be read"):
        open_source(tmp_path / "a.npy")
    assert not marker.exists()


def test_one_npz_among_many_images_is_left_out(tmp_path: Path) -> None:
    files = {f"{k}.png": encoded(TRAIN[k]) for k in range(6)} | {"features.npz": npz(f=TRAIN)}
    data = open_source(write_files(tmp_path / "set", files))
    assert data.report.used == 6
    assert data.report.skipped == {"is no image that is read here (.npz)": ["features.npz"]}


def hugging_face(images: Pixels, labels: list[int | None], names: list[str] | None = None) -> bytes:
    pa = pytest.importorskip("pyarrow")
    import json

    import pyarrow.parquet as pq

    cells = [{"bytes": encoded(image), "path": f"{k}.png"} for k, image in enumerate(images)]
    table = pa.table({"image": cells, "label": labels})
    if names:
        told = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=2)
    return buffer.getvalue()


@pytest.mark.parametrize("container", CONTAINERS)
def test_parquet(container: str, tmp_path: Path) -> None:
    files = {
        "data/train-00000-of-00002.parquet": hugging_face(TRAIN[:4], [0, 1, 0, None], ["cat", "dog", "emu"]),
        "data/train-00001-of-00002.parquet": hugging_face(TRAIN[4:], [2, -1], ["cat", "dog", "emu"]),
        "data/test-00000-of-00001.parquet": hugging_face(TEST, [0, 1, 2], ["cat", "dog", "emu"]),
        "README.md": b"# a card",
    }
    data = open_source(CONTAINERS[container](tmp_path / container, files))
    assert data.report.format == "parquet"
    assert np.array_equal(data[np.arange(6)], TRAIN)
    assert [data.spec.classes[label] if label >= 0 else "" for label in data.labels] == [
        "cat",
        "dog",
        "cat",
        "",
        "emu",
        "",
    ]
    assert np.array_equal(data.split("test")[np.arange(3)], TEST)


def test_parquet_as_the_hub_converts_it(tmp_path: Path) -> None:
    files = {
        f"plain_text/{split}/0000.parquet": hugging_face(x, [0] * len(x))
        for split, x in (("train", TRAIN), ("test", TEST))
    }
    assert open_source(write_files(tmp_path / "set", files)).report.splits == {"train": 6, "test": 3}


def test_bad_parquet_is_refused_by_name(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(SparringError, match=r"bad\.parquet is no (readable|whole) parquet"):
        open_source(tmp_path / "bad.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    with pytest.raises(SparringError, match="has the columns text"):
        open_source(tmp_path / "text.parquet", ReadOptions("image"))
    pq.write_table(
        pa.table({"image": [{"bytes": None, "path": "a"}, {"bytes": encoded(TRAIN[0]), "path": "b"}]}),
        tmp_path / "half.parquet",
    )
    assert open_source(tmp_path / "half.parquet").report.skipped == {
        "has no image bytes in its cell": ["half.parquet#0"]
    }


def test_a_damaged_member_is_named_by_every_reader(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"train-images-idx3-ubyte": idx(GREY[..., 0])})
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="train-images-idx3-ubyte is damaged in the archive"):
        open_container(path).read("train-images-idx3-ubyte")
    with pytest.raises(SparringError, match="train-images-idx3-ubyte is damaged"):
        open_source(path)


def test_tar_with_long_and_unicode_names(tmp_path: Path) -> None:
    files = {f"./{'sehr-' * 40}länger/фото {k}.png": encoded(TRAIN[k]) for k in range(6)}
    for kind, form in (("pax", 2), ("gnu", 1)):
        data = open_source(write_tar(tmp_path / f"{kind}.tar", files, format=form))
        assert by_label(data) == expected(TRAIN, [""] * 6)


def test_targz_leaves_no_unpacked_copy(tmp_path: Path) -> None:
    open_source(write_targz(tmp_path / "a.tgz", LAYOUTS["flat"][0]))
    assert not list((tmp_path / "cache").rglob("unpacked*"))
