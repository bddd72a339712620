"""Arrays and tables of images with known labels and splits, by the names that people give them."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from makers import encoded, idx, pixels, write_files

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import SparringError

X, LABELS = pixels(12, 8, 8, 1)[..., 0], np.arange(12) % 3
WORDS = [("x", "y"), ("images", "labels"), ("X", "Y"), ("data", "targets"), ("imgs", "label"), ("img", "target")]
FORMS = ["{word}_{split}", "{split}_{word}", "{split}-{word}"]


def check(data: Dataset) -> None:
    assert data.report.splits == {"train": 8, "test": 4} and data.spec.classes == ("0", "1", "2")
    assert data.labels.tolist() == LABELS[:8].tolist() and data.split("test").labels.tolist() == LABELS[8:].tolist()


@pytest.mark.parametrize(("words", "form"), list(itertools.product(WORDS, FORMS)))
@pytest.mark.parametrize("held_out", ["test", "val", "Valid"])
def test_pairs_of_arrays_by_any_usual_name(words: tuple[str, str], form: str, held_out: str, tmp_path: Path) -> None:
    arrays = {
        form.format(word=word, split=split): values[part]
        for split, part in (("train", slice(8)), (held_out, slice(8, None)))
        for word, values in zip(words, (X, LABELS), strict=True)
    }
    np.savez(tmp_path / "a.npz", **arrays)
    check(open_source(tmp_path / "a.npz"))


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def test_files_of_one_name_in_folders_of_splits(tmp_path: Path) -> None:
    files = {
        "train/x.npy": npy(X[:8]),
        "train/y.npy": npy(LABELS[:8]),
        "val/x.npy": npy(X[8:]),
        "val/y.npy": npy(LABELS[8:]),
    }
    check(open_source(write_files(tmp_path / "set", files)))


@pytest.mark.parametrize("form", ["{}/{}.npy", "all/{}/x{}.npy"])
def test_folders_of_single_arrays_are_classes(form: str, tmp_path: Path) -> None:
    files = {form.format("abc"[k % 3], k): npy(pixels(1, seed=k)[0]) for k in range(12)}
    data = open_source(write_files(tmp_path / "set", files))
    assert data.report.classes == {"a": 4, "b": 4, "c": 4} and data.spec.shape == (3, 9, 7)


def test_arrays_called_after_their_class(tmp_path: Path) -> None:
    data = open_source(write_files(tmp_path / "set", {"cat.npy": npy(X[:7]), "dog.npy": npy(X[7:])}))
    assert data.report.classes == {"cat": 7, "dog": 5}


def test_arrays_of_several_data_sets_are_not_joined(tmp_path: Path) -> None:
    files = {"a/x.npy": npy(X), "a/y.npy": npy(LABELS), "b/x.npy": npy(X[:4])}
    with pytest.raises(SparringError, match=r"several data sets \(a, b\)"):
        open_source(write_files(tmp_path / "set", files))


def test_idx_of_several_data_sets_is_named_and_one_is_read(tmp_path: Path) -> None:
    files = {}
    for name in ("set-letters", "set-digits"):
        for split, part in (("train", slice(8)), ("test", slice(8, None))):
            files[f"{name}-{split}-images-idx3-ubyte"] = idx(X[part])
            files[f"{name}-{split}-labels-idx1-ubyte"] = idx(LABELS[part].astype(np.uint8))
    folder = write_files(tmp_path / "set", files)
    with pytest.raises(SparringError, match=r"several data sets \(set digits, set letters\).*--part 'digits'"):
        open_source(folder)
    check(open_source(folder, ReadOptions(part="digits")))


@pytest.mark.parametrize("mark", ["None", "?", "nan", "NA", "n/a", "-1"])
def test_marks_for_nothing_in_arrays(mark: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.array(["u", "v", mark] * 4))
    report = open_source(tmp_path / "a.npz").report
    assert report.classes == {"u": 4, "v": 4} and report.unlabelled == 4
    assert f"y: of 12 labels 4 are {mark}: no label" in report.notes


def test_one_class_beside_minus_one_is_noted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.where(LABELS > 0, 1, -1))
    assert any(
        "where -1 is a class, call it by a word" in note for note in open_source(tmp_path / "a.npz").report.notes
    )


PARQUET = {
    "character": (list("abc") * 4, ["a", "b", "c"], 0),
    "Category": ([0.0, 1.0, 2.0] * 4, ["0", "1", "2"], 0),
    "label": ([[0], [1], [2]] * 4, ["0", "1", "2"], 0),
    "labels": ([[0, 2], [1], [2]] * 4, [], 3),
    "target": ([k / 40 for k in range(12)], [], 1),
}


@pytest.mark.parametrize("column", PARQUET)
def test_columns_of_parquet(column: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    values, classes, vectors = PARQUET[column]
    cells = [{"bytes": encoded(image), "path": None} for image in X[..., None]]
    pq.write_table(pa.table({"image": cells, "other": list(range(12)), column: values}), tmp_path / "a.parquet")
    data = open_source(tmp_path / "a.parquet")
    assert list(data.spec.classes) == classes and data.report.vectors == vectors
    assert len(open_source(tmp_path / "a.parquet", ReadOptions(label="other")).spec.classes) == 12
