from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from makers import encoded, pixels, write_files

from sparring.data.labels import choose_labels, labels_as, read_labels
from sparring.data.open import open_source
from sparring.data.splits import some_labels
from sparring.engine.errors import SparringError, UsageError

NAMES = ["a/1.png", "a/2.png", "b/1.png", "b/3.png"]
CLASSES = ("a", "b")
tables = st.lists(st.sampled_from([-1, 0, 0, 0, 1, 1, 2, 3]), min_size=30, max_size=60)
counts = st.integers(4, 20)


def kept(labels: list[int], count: int, seed: int = 0) -> np.ndarray:
    return choose_labels(np.array(labels), count, tuple("abcd"), seed)


@settings(deadline=None, max_examples=80)
@given(labels=tables, count=counts, seed=st.integers(0, 1 << 40))
def test_as_many_as_asked_and_as_even_as_they_allow(labels: list[int], count: int, seed: int) -> None:
    there = np.bincount([k for k in labels if k >= 0], minlength=4)
    assume(there.sum() >= count)
    told = kept(labels, count, seed)
    assert ((told == -1) | (told == labels)).all()
    chosen = np.bincount(told[told >= 0], minlength=4)
    assert chosen.sum() == count
    full = chosen == there
    assert full.all() or chosen[~full].max() - chosen[~full].min() <= 1  # those with more to give differ by one at most
    assert full.all() or (chosen[full] <= chosen[~full].min() + 1).all()


@settings(deadline=None, max_examples=50)
@given(labels=tables, both=st.tuples(counts, counts), seed=st.integers(0, 1 << 40))
def test_more_labels_of_a_seed_hold_the_fewer(labels: list[int], both: tuple[int, int], seed: int) -> None:
    few, many = sorted(both)
    assume(sum(k >= 0 for k in labels) >= many)
    few_told, many_told = kept(labels, few, seed), kept(labels, many, seed)
    assert (many_told[few_told >= 0] == few_told[few_told >= 0]).all()


def test_seeds_choose_and_the_same_seed_the_same() -> None:
    labels = [0, 1, 2, 3] * 20
    told = {tuple(kept(labels, 10, seed)) for seed in range(20)}
    assert len(told) == 20 and np.array_equal(kept(labels, 10, 3), kept(labels, 10, 3))


@pytest.mark.parametrize(
    ("labels", "count", "classes", "words"),
    [
        ([0, 1, 2, -1], 4, "abc", "--labels 4: only 3 images have a label; ask for 3 or fewer"),
        ([0, 0, 0], 2, "a", "only one class \\('a'\\)"),
        ([0, 1, 2], 2, "abc", "--labels 2 is fewer than the 3 classes"),
    ],
)
def test_what_cannot_be_chosen(labels: list[int], count: int, classes: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose_labels(np.array(labels), count, tuple(classes), 0)


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a/1.png,a\nb/3.png,b\n",
        "name,label\na/1.png,a\nb/3.png,b\n",
        "Label , Name\r\na,a/1.png\r\nb,b/3.png\r\n",
        "name,label,guess,probability\na/1.png,a,b,0.4\na/2.png,,b,0.4\nb/3.png,b,a,0.3\n",  # a filled-in to_label.csv
        "\ufeff\na/1.png, a \n\n3.png,b\n3.png,b\n",  # the end of a path, a name twice, blanks, Excel's mark
        "a/1.png,a\nb/3.png,b\na/2.png,-1\n",  # as in arrays
    ],
)
def test_tables_that_are_understood(tmp_path: Path, text: str) -> None:
    labels, classes, notes = read_labels(table(tmp_path, text), NAMES, CLASSES)
    assert labels.tolist() == [0, -1, -1, 1] and classes == CLASSES and notes == []


def test_where_the_source_has_no_classes_the_tables_count_in_their_natural_order(tmp_path: Path) -> None:
    labels, classes, _ = read_labels(table(tmp_path, "a/1.png,10\na/2.png,9\nb/3.png,10\n"), NAMES, ())
    assert classes == ("9", "10") and labels.tolist() == [1, 0, -1, 1]


def test_a_class_without_an_image_is_told(tmp_path: Path) -> None:
    _, classes, notes = read_labels(table(tmp_path, "a/1.png,a\na/2.png,b\n"), NAMES, ("a", "b", "c"))
    assert classes == ("a", "b", "c") and len(notes) == 1 and "'c'" in notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a/1.png,a\nb/9.png,b\n", "line 2: the source has no training example 'b/9.png': did you mean"),
        ("name,label\n1.png,a\n", "line 2: the source has no training example '1.png'"),  # two end so
        ("a/1.png,a\na/2.png,bb\n", "line 2: the source has no class 'bb'"),
        ("a/1.png,a\na/1.png,b\n", "'a/1.png' is called 'a' in line 1 and 'b' in line 2"),
        ("a/1.png,a\n2.png,a\n", "one class alone \\('a'\\)"),
        ("name,label\na/1.png,\n", "names no label"),
        ("a/1.png\n", "line 1: 1 column"),
        ('name,label\n"a\n/1.png",a\na/1.png\n', "line 4: 1 column"),  # lines, not rows
        ("", "is empty"),
        ("\n \n", "is empty"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_labels(table(tmp_path, text), NAMES, CLASSES)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no '.*none.csv': --labels-file is a CSV"):
        read_labels(tmp_path / "none.csv", NAMES, CLASSES)
    with pytest.raises(SparringError, match="cannot be read"):
        read_labels(tmp_path, NAMES, CLASSES)
    with pytest.raises(SparringError):
        read_labels(table(tmp_path, encoded(pixels(1)[0])), NAMES, CLASSES)
    with pytest.raises(SparringError, match="is no CSV"):
        read_labels(table(tmp_path, "a/1.png," + "x" * 200_000), NAMES, CLASSES)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_whatever_is_given_no_other_error_comes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(content)
    try:
        labels, classes, _ = read_labels(path, NAMES, ())
    except SparringError:
        return
    assert len(labels) == 4 and (labels < len(classes)).all()


def test_labels_are_numbered_by_name(tmp_path: Path) -> None:
    images = pixels(3, 4, 4, 1)
    write_files(tmp_path / "x", {f"{name}/1.png": encoded(one) for name, one in zip("abc", images, strict=True)})
    data = open_source(tmp_path / "x")
    assert labels_as(("c", "q", "a"), data).tolist() == [2, -1, 0]
    assert labels_as(("c", "a"), data.relabelled(np.array([-1, 2, 0]), data.spec.classes)).tolist() == [-1, 0, 1]


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    unlabelled=st.integers(0, 9),
    fractions=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_fraction_of_each_class_keeps_its_labels(
    counts: list[int], unlabelled: int, fractions: tuple[float, float]
) -> None:
    labels = np.repeat(np.arange(-1, len(counts)), [unlabelled, *counts])
    fewer, more = (some_labels(labels, fraction) for fraction in sorted(fractions))
    for kept, fraction in zip((fewer, more), sorted(fractions), strict=True):
        assert ((kept == labels) | (kept == -1)).all()
        for k, count in enumerate(counts):
            left = int((kept == k).sum())
            assert fraction * count <= left < fraction * count + 1 + 1e-9 and (left > 0 or not count or not fraction)
    assert ((fewer == -1) | (fewer == more)).all()  # so that more labels are never other labels
    assert (some_labels(labels, 1.0) == labels).all() and (some_labels(labels, 0.0) == -1).all()
