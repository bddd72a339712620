"""Labels that are numbers: a column of a table, and classes that are named by numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.data.labels import to_numbers
from sparring.data.reader_api import ReadOptions
from sparring.engine.errors import UsageError

NUMERIC = {"label": "y", "numeric_label": True}


def opened(path: Path, text: str, **options: object) -> sparring.Dataset:
    (path / "t.csv").write_text(text)
    return sparring.open(path / "t.csv", ReadOptions(**options)).split(None)  # type: ignore[arg-type]


def test_a_column_of_numbers_becomes_vectors_and_rows_without_one_are_skipped(tmp_path: Path) -> None:
    lines = [f"{k},{k / 4}" for k in range(20)]
    data = opened(tmp_path, "\n".join(["a,y", *lines, "1,", "2,NA", "3,?"]), **NUMERIC)
    assert data.vectors is not None and data.spec.classes == () and (data.labels == -1).all()
    assert data.vectors[:, 0].tolist() == [k / 4 for k in range(20)]
    assert data[np.arange(20)][:, 0].tolist() == list(range(20))
    assert data.skipped == {"no number in 'y'": ["line 22", "line 23", "line 24"]}
    assert data.spec.target == "y" and data.report.vectors == 1


def test_the_statistics_are_those_of_the_training_rows(tmp_path: Path) -> None:
    data = opened(tmp_path, "a,y\n" + "".join(f"{k},{k * k}\n" for k in range(50)), **NUMERIC).split("train")
    assert data.vectors is not None
    ((mean, std),) = data.spec.condition_stats
    assert len(data) == 40 and mean == pytest.approx(data.vectors.mean()) and std == pytest.approx(data.vectors.std())


def test_numbers_in_local_form(tmp_path: Path) -> None:
    prices = "".join(f"{k};1.{k:03},50\n" for k in range(100, 400))
    data = opened(tmp_path, "a;y\n" + prices, **NUMERIC)
    assert data.vectors is not None and data.vectors[0, 0] == 1100.5


def test_more_numbers_than_classes_may_be_are_labels_without_being_asked_for(tmp_path: Path) -> None:
    many = "a,y\n" + "".join(f"1,{k}\n" for k in range(300))
    assert opened(tmp_path, many, label="y").vectors is not None
    few = "a,y\n" + "".join(f"1,{k % 3}\n" for k in range(300))
    assert opened(tmp_path, few, label="y").vectors is None
    assert opened(tmp_path, few, **NUMERIC).vectors is not None


@pytest.mark.parametrize("count", [20, 300])
def test_words_are_no_numbers(tmp_path: Path, count: int) -> None:
    text = "a,y\n" + "".join(f"1,{k}\n" for k in range(count)) + "1,many\n"
    with pytest.raises(UsageError, match=rf"'y' holds words \('many' in line {count + 2}\).*`sparring classify`"):
        opened(tmp_path, text, **NUMERIC)
    with pytest.raises(UsageError, match="'y' holds no numbers"):
        opened(tmp_path, "a,y\n1,\n2,?\n", **NUMERIC)


def test_new_rows_need_no_number(tmp_path: Path) -> None:
    data = opened(tmp_path, "a,y\n" + "".join(f"{k},{k}\n" for k in range(50)), **NUMERIC)
    for text in ("a\n1\n2\n", "a,y\n1,\n2,?\n"):
        (tmp_path / "new.csv").write_text(text)
        new = sparring.open(tmp_path / "new.csv", like=data.spec).split(None)
        assert len(new) == 2 and new[np.arange(2)].tolist() == [[1.0], [2.0]]


def test_classes_that_are_named_by_numbers(tmp_path: Path) -> None:
    assert to_numbers(np.array([1, -1, 0]), ("10", "2.5"))[:2, 0].tolist()[0] == 2.5  # type: ignore[index]
    assert np.isnan(to_numbers(np.array([-1]), ("10",))).all()  # type: ignore[arg-type]
    assert to_numbers(np.array([0]), ("ten",)) is None and to_numbers(np.array([-1]), ()) is None


def test_whole_ages_of_images_in_an_array_and_in_a_table_beside_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, ages = rng.integers(0, 255, (40, 8, 8), np.uint8), rng.integers(20, 60, 40)
    np.savez(tmp_path / "faces.npz", x=x, y=ages)
    data = sparring.open(tmp_path / "faces.npz", ReadOptions(numeric_label=True)).split(None)
    assert data.vectors is not None and data.vectors[:, 0].tolist() == ages.tolist() and data.spec.classes == ()
    (tmp_path / "faces").mkdir()
    for k, pixels in enumerate(x):
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{k:02}.png")
    table = [f"{k:02}.png,{age if k else ''}" for k, age in enumerate(ages)]
    (tmp_path / "faces" / "ages.csv").write_text("\n".join(["file,age", *table]))
    data = sparring.open(tmp_path / "faces", ReadOptions(numeric_label=True, label="age")).split(None)
    assert data.vectors is not None and data.vectors[:, 0].tolist() == ages[1:].tolist()
    assert data.skipped["has no number as label"] == ["00.png"]
    assert sparring.open(tmp_path / "faces", ReadOptions(label="age")).fingerprint != data.fingerprint
