"""Groups: a protected column of a table, a pattern of names, a table beside files; from the source to the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.engine.data_spec import spec_from_json, spec_to_json
from sparring.engine.errors import UsageError

PEOPLE = "age,sex,pay\n" + "".join(f"{20 + k},{('m', 'f', '?')[k % 3]},{('low', 'high')[k % 2]}\n" for k in range(60))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path / "people.csv"


def read(source: Path, **options: Any) -> Dataset:
    return open_source(source, ReadOptions(**options)).split(None)


def groups(data: Dataset) -> list[str | None]:
    assert data.groups is not None and data.spec.groups is not None
    return [None if k < 0 else data.spec.groups[k] for k in data.groups]


def test_a_protected_column_gives_groups_and_is_no_input(people: Path) -> None:
    data = read(people, label="pay", protect="sex")
    assert data.spec.groups == ("f", "m") and [c.name for c in data.spec.columns] == ["age"]
    assert groups(data)[:4] == ["m", "f", None, "m"]  # in the order of the rows; ? is unknown
    assert data.select(np.array([1, 0])).groups.tolist() == [0, 1]  # type: ignore[union-attr]
    assert spec_from_json(spec_to_json(data.spec)).groups == ("f", "m")


def test_several_columns_give_combinations_of_their_values(tmp_path: Path) -> None:
    lines = [f"{k},{'mf'[k % 2]},{('old', 'young', '')[k % 3]},{('low', 'high')[k % 2]}" for k in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["n,sex,years,pay", *lines]))
    data = read(tmp_path / "t.csv", label="pay", protect="sex, years")
    assert data.spec.groups == ("f, old", "f, young", "m, old", "m, young")
    assert [c.name for c in data.spec.columns] == ["n"]
    assert groups(data)[:4] == ["m, old", "f, young", None, "f, old"]
    with pytest.raises(UsageError, match="pay is the column of the class"):
        read(tmp_path / "t.csv", label="pay", protect="sex,pay")


def test_networks_see_the_column_on_request(people: Path) -> None:
    data = read(people, label="pay", protect="1", see_protected=True)
    assert [c.name for c in data.spec.columns] == ["age", "sex"] and data.groups is not None


def test_without_a_protected_column_there_are_no_groups(people: Path) -> None:
    data = read(people, label="pay")
    assert data.groups is None and data.spec.groups is None and "groups" not in spec_to_json(data.spec)
    assert BatchLoader(data, 4).batches(0, 0)[0].group is None


def test_splits_and_batches_hold_their_groups(people: Path) -> None:
    data = open_source(people, ReadOptions(label="pay", protect="sex"))
    everything, test = groups(data.split(None)), data.split("test")
    by_name = dict(zip(data.split(None).names, everything, strict=True))
    assert groups(test) == [by_name[name] for name in test.names] and len(test)
    (batch,) = BatchLoader(data, 8, seed=3).batches(0, 0)
    expected = {int(age): group for age, group in zip(data[np.arange(len(data))][:, 0], data.groups, strict=True)}  # type: ignore[arg-type]
    assert batch.group is not None and batch.group.tolist() == [expected[int(age)] for age in batch.x[:, 0]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protect": "pay"}, "is the column of the class"),
        ({"protect": "gender"}, "no column 'gender'"),
        ({"protect": "age"}, "more than 20 different values"),
        ({"protect_from": "*_{group}.csv"}, "--protect-from is for images and recordings"),
    ],
)
def test_bad_columns(people: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(people, label="pay", **options)


def pictures(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for k in range(12):
        name = folder / "ab"[k % 2] / f"{('ann', 'bob', 'cy')[k % 3]}_{k}.png"
        name.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(name)
    return folder


def test_groups_by_a_pattern_of_names(tmp_path: Path) -> None:
    data = read(pictures(tmp_path), protect_from="{label}/{group}_{n}.png")
    assert data.spec.groups == ("ann", "bob", "cy") and data.spec.classes == ("a", "b")
    assert groups(data) == [name.split("/")[1].split("_")[0] for name in data.names]


def test_groups_by_a_table_beside_the_files(tmp_path: Path) -> None:
    lines = [f"{path.relative_to(tmp_path)},{len(path.stem)}" for path in sorted(pictures(tmp_path).rglob("*.png"))]
    (tmp_path / "people.csv").write_text("\n".join(["name,length", *lines[1:]]))
    data = read(tmp_path, protect="length")
    assert dict(zip(data.names, groups(data), strict=True)) == {
        name: None if k == 0 else length for k, (name, length) in enumerate(line.split(",") for line in lines)
    }
    assert "people.csv" not in str(data.skipped)


def test_several_columns_beside_the_files_are_combined(tmp_path: Path) -> None:
    names = [str(path.relative_to(tmp_path)) for path in sorted(pictures(tmp_path).rglob("*.png"))]
    rows = [f"{name},{'uv'[k % 2]},{'xy'[k // 6]}" for k, name in enumerate(names)]
    (tmp_path / "people.csv").write_text("\n".join(["name,sex,place", *rows]))
    data = read(tmp_path, protect="sex,place")
    assert groups(data) == groups(read(tmp_path, protect="sex, place"))
    expected = {name: row.removeprefix(f"{name},").replace(",", ", ") for name, row in zip(names, rows, strict=True)}
    assert dict(zip(data.names, groups(data), strict=True)) == expected
    with pytest.raises(UsageError, match="--protect age: no table beside the files has a column 'age'"):
        read(tmp_path, protect="sex,age")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protect_from": "*.png"}, r"has no \{group\}"),
        ({"protect_from": "{group}-*.jpg"}, "does not fit most names, such as a/ann_0.png"),
        ({"protect": "length"}, "no table beside the files has a column 'length'"),
        ({"protect": "length", "protect_from": "{group}_*.png"}, "exclude each other"),
    ],
)
def test_bad_groups_of_files(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(pictures(tmp_path), **options)
