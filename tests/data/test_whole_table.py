"""Tables read whole: gaps, dates, keys, constants, rare words, dependences; and written as the file was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.tables.codes import cells_of, learn_codes
from sparring.data.tables.dates import date_formats, from_days, to_days
from sparring.data.tables.formula_guard import guard, unguard
from sparring.data.tables.keys import key_pattern, make_keys
from sparring.data.tables.write_cells import file_table
from sparring.engine.data_spec import Column, TableSpec, spec_from_json, spec_to_json
from sparring.engine.errors import UsageError
from sparring.engine.table_form import RARE

WHOLE = ReadOptions(kind="table", whole=True)


def dirty(count: int = 400) -> str:
    """Return a table with a key, a constant, dates, gaps, rare words, a dependence, decimals and free text."""
    rng = np.random.default_rng(0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["code", "site", "seen", "age", "size", "level", "rank", "colour", "note"])
    for k in range(count):
        level = ["low", "mid", "top"][rng.integers(3)]
        writer.writerow([
            f"A-{k:04d}", "north", f"2021-{1 + k % 12:02d}-{1 + k % 28:02d}", "NA" if k % 10 == 0 else 20 + k % 50,
            f"{rng.normal() * 3 + 10:.2f}", level, {"low": 1, "mid": 2, "top": 3}[level],
            "mauve" if k == 7 else ["red", "blue", ""][k % 3], f"word {k} of a text {rng.integers(1e9)}",
        ])  # fmt: skip
    return text.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    (tmp_path / "dirty.csv").write_text(dirty())
    return open_source(tmp_path / "dirty.csv", WHOLE)


def test_columns_are_found_and_named_in_notes(data: Dataset) -> None:
    spec = data.spec
    assert isinstance(spec, TableSpec) and spec.is_whole
    assert [(column.name, column.role) for column in spec.written] == [
        ("code", "key"), ("site", "constant"), ("seen", "learnt"), ("age", "learnt"), ("size", "learnt"),
        ("level", "learnt"), ("rank", "learnt"), ("colour", "learnt"), ("note", "text"),
    ]  # fmt: skip
    columns = {column.name: column for column in spec.columns}
    assert columns["colour"].categories == ("blue", "red", RARE, "")
    assert columns["age"].is_integer and columns["age"].form is not None and columns["age"].form.gap == "NA"
    assert columns["size"].form is not None and columns["size"].form.decimals == 2
    assert columns["seen"].form is not None and columns["seen"].form.date == "%Y-%m-%d"
    assert [(d.column, d.source, d.values) for d in spec.dependences] == [("rank", "level", (1.0, 2.0, 3.0))]
    for name in ("code", "site", "seen", "colour", "note", "rank"):
        assert any(f"'{name}'" in note for note in data.notes), name
    assert spec_from_json(spec_to_json(spec)) == spec


def test_no_row_is_left_out_and_gaps_are_nan(data: Dataset) -> None:
    every = data.split(None)
    rows = every[np.arange(len(every))]
    age = next(column for column in data.spec.columns if column.name == "age")
    assert len(every) == 400 and np.isnan(rows[:, age.indices[0]]).sum() == 40


def test_no_bound_is_the_value_of_one_row(data: Dataset) -> None:
    size = next(column for column in data.spec.columns if column.name == "size")
    values = np.sort(data[np.arange(len(data))][:, size.indices[0]])
    assert size.low == pytest.approx(values[4]) and size.high == pytest.approx(values[-5])
    assert "mauve" not in str(spec_to_json(data.spec))


def test_rows_are_written_as_the_file_has_them(data: Dataset) -> None:
    every = data.split(None)
    table = file_table(every.spec, every[np.arange(len(every))])
    (_, *lines), cells = list(csv.reader(io.StringIO(dirty()))), list(table.rows)
    assert table.header == ["code", "site", "seen", "age", "size", "level", "rank", "colour", "note"]
    for column in (1, 2, 3, 4, 5, 6):
        assert [row[column] for row in cells] == [row[column] for row in lines], table.header[column]
    assert len({row[0] for row in cells}) == 400 and all(row[0].startswith("A-") for row in cells)
    assert {row[7] for row in cells} == {"red", "blue", ""} and {row[8] for row in cells} == {""}


def test_new_rows_are_read_like_those_of_the_model(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(
        "seen,age,size,level,rank,colour\n2021-03-01,n/a,9.5,low,1,pink\n2021-03-02,4,9.25,mid,2,red\n"
    )
    with pytest.raises(UsageError, match="no column 'level'"):
        (tmp_path / "less.csv").write_text("seen,age,size,rank,colour\n2021-03-01,3,9.5,1,red\n")
        open_source(tmp_path / "less.csv", like=data.spec)
    new = open_source(tmp_path / "new.csv", like=data.spec)
    cells = cells_of(new.spec, new[np.arange(1)])[0]
    assert new.spec.columns == data.spec.columns
    assert cells[0] == to_days("2021-03-01", ["%Y-%m-%d"]) and np.isnan(cells[1]) and cells[5] == 2  # rare


def test_decode_rebuilds_what_depends_on_another_column(data: Dataset) -> None:
    import torch

    rows = data[np.arange(50)]
    rank = next(column for column in data.spec.columns if column.name == "rank").indices[0]
    without = rows.copy()
    without[:, rank] = 99
    assert np.array_equal(data.spec.decode(torch.from_numpy(without))[:, rank], rows[:, rank])


def test_codes_hold_their_values(data: Dataset) -> None:
    cells = cells_of(data.spec, data[np.arange(len(data))])
    for column, codes, values in zip(data.spec.columns, learn_codes(data.spec, cells), cells.T, strict=True):
        code = codes.encode(values)
        missing = np.isnan(values)
        assert np.array_equal(np.isnan(codes.low[code]), missing)
        inside = (codes.low[code] <= values) & (values <= codes.high[code])
        ends = np.sort(values[~missing])[[4, -5]]
        beyond = (values < ends[0]) | (values > ends[1])
        assert (inside | missing | beyond).mean() > 0.95, column.name


def test_codes_of_spikes_and_ranges() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(900), rng.exponential(1000, 1000)])
    column = Column("gain", (0,), (), False, 0.0, 0.0)
    (codes,) = learn_codes(TableSpec((column,), ""), values[:, None])
    assert codes.low[0] == codes.high[0] == 0
    assert (codes.encode(values[:900]) == 0).all() and not (codes.encode(values[900:]) == 0).any()
    assert np.nanmax(codes.high) <= np.sort(values)[-5]


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["2020-01-31", "2021-12-01"], ["%Y-%m-%d"]),
        (["31/01/2020", "01/12/2021"], ["%d/%m/%Y"]),
        (["01/31/2020", "12/01/2021"], ["%m/%d/%Y"]),
        (["11 Sep 2020", "2020-01-31", "2020-01-30"], ["%Y-%m-%d", "%d %b %Y"]),
        (["2020-01-31 13:05:09", "2020-02-01 00:00:00"], ["%Y-%m-%d %H:%M:%S"]),
        (["red", "blue"], []),
        (["12", "13"], []),
    ],
)
def test_formats_of_dates(cells: list[str], formats: list[str]) -> None:
    found = date_formats(dict.fromkeys(cells, 1), 0.9)
    assert found == formats
    for cell in cells if formats else []:
        days = to_days(cell, found)
        assert days is not None and to_days(from_days(days, found[0]), found) == pytest.approx(days)


def test_keys_are_different_and_keep_their_pattern() -> None:
    assert key_pattern(["A-01", "A-17", "A-39"]) == "A-##"
    assert key_pattern(["1f", "a0", "99"]) == "%%"
    keys = make_keys("A-##", 120)
    assert len(set(keys)) == 120 and keys[:2] == ["A-00", "A-01"]
    assert make_keys("", 3) == ["1", "2", "3"]
    letters = make_keys("@@@", 500)
    assert len(set(letters)) == 500 and all(len(key) == 3 and key.isupper() for key in letters)


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|x", "-x", "@SUM(A1)"])
def test_formulas_are_guarded(cell: str) -> None:
    assert guard(cell) == f"'{cell}" and unguard(guard(cell)) == cell


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-1,5", "a=b", "", "'-low'"])
def test_numbers_and_words_are_not_guarded(cell: str) -> None:
    assert guard(cell) == unguard(cell) == cell


def test_hostile_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("a,b\n" + "NA,\n" * 30)
    with pytest.raises(UsageError, match="no column is left"):
        open_source(tmp_path / "empty.csv", WHOLE)
    (tmp_path / "one.csv").write_text("a,b\n" + "x,3\n" * 30)
    with pytest.raises(UsageError, match="holds 'x' alone"):
        open_source(tmp_path / "one.csv", WHOLE)
    many = "\n".join(f"w{k} z,{'red' if k % 2 else 'blue'}" for k in range(60_000))
    (tmp_path / "many.csv").write_text(f"name,colour\n{many}\n")
    spec = open_source(tmp_path / "many.csv", WHOLE).spec
    assert [column.name for column in spec.columns] == ["colour"] and spec.shape == (2,)


def test_many_words_are_the_commonest_and_rare_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in np.minimum(rng.zipf(1.3, 8000), 400)]
    (tmp_path / "words.csv").write_text("word,n\n" + "\n".join(f"{w},{k % 7}" for k, w in enumerate(words)) + "\n")
    data = open_source(tmp_path / "words.csv", WHOLE)
    column = data.spec.columns[0]
    assert len(column.categories) == 101 and RARE in column.categories and column.form is not None
    assert all(count >= 5 for _, count in column.form.refill)
    table = file_table(data.spec, data[np.arange(len(data))])
    written = {row[0] for row in table.rows}
    assert RARE not in written and written <= set(words)
