"""Numbers in local form, delimiters, and columns that a model should not learn from: random tables of known content."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.tables.number_forms import describe_form, is_ambiguous, number_form, parse
from sparring.data.tables.unsuitable_columns import remark_on
from sparring.engine.data_spec import spec_from_json, spec_to_json
from sparring.engine.errors import UsageError

LABEL = ReadOptions(label="y")
STYLES = {
    "decimal comma": lambda v: f"{v:.2f}".replace(".", ","),
    "thousands": lambda v: f"{v:,.2f}",
    "european": lambda v: f"{v:,.2f}".replace(",", "_").replace(".", ",").replace("_", "."),
    "swiss": lambda v: f"{v:,.2f}".replace(",", "'"),
    "french": lambda v: f"{v:,.2f}".replace(",", "\N{NO-BREAK SPACE}").replace(".", ","),
    "dollars": lambda v: f"${v:,.2f}",
    "euros": lambda v: f"{v:.2f}".replace(".", ",") + " €",
    "percent": lambda v: f"{v:.2f} %",
    "accounts": lambda v: f"({-v:,.2f})" if v < 0 else f"{v:,.2f}",
}


@given(st.floats(-1e7, 1e7), st.sampled_from(sorted(STYLES)))
def test_every_form_is_parsed_by_its_mark(value: float, style: str) -> None:
    text = STYLES[style](value)
    mark = "," if style in ("decimal comma", "european", "french", "euros") else "."
    number = parse(text, mark)
    assert number is not None and number == pytest.approx(round(value, 2), abs=0.006)


@pytest.mark.parametrize(
    "text",
    ["1.2.3", "12:30", "2020-01-02", "12,34,5", "a1", "$", "%", "1,2,3", "..", "+", "10.0.0.1", "5 apples"],
)
def test_what_is_no_number_in_any_form(text: str) -> None:
    assert number_form([text], ".") is None
    assert parse(text, ".") is None and parse(text, ",") is None


def write(path: Path, header: list[str], rows: list[list[str]], delimiter: str = ",") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    path.write_text(text.getvalue())
    return path


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize("count", [40, 400])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_columns_in_local_form_are_numbers(style: str, count: int, delimiter: str, tmp_path: Path) -> None:
    values = np.random.default_rng(count).uniform(900, 90_000, count).round(2)
    rows = [[STYLES[style](v), str(k % 2)] for k, v in enumerate(values)]
    data = open_source(write(tmp_path / "a.csv", ["x", "y"], rows, delimiter), LABEL)
    (column,) = data.spec.columns
    assert not column.categories and column.decimal_mark and not column.is_integer
    every = data.split(None)
    assert np.allclose(every[np.arange(count)][:, 0], values, rtol=1e-6)
    assert any("column 'x' holds numbers in local form" in note for note in data.notes)
    assert spec_from_json(spec_to_json(data.spec)) == data.spec


def test_the_decimal_mark_is_the_models(tmp_path: Path) -> None:
    """`3,200` fits both marks: a new file is read as the training file was."""
    rows = [[f"{k / 7:.2f}".replace(".", ","), str(k % 2)] for k in range(60)]
    model = open_source(write(tmp_path / "a.csv", ["x", "y"], rows, ";"), LABEL)
    new = open_source(write(tmp_path / "b.csv", ["x", "y"], [["3,200", "0"], ["1,125", "1"]], ";"), like=model.spec)
    assert new.split(None)[np.arange(2)][:, 0].tolist() == pytest.approx([3.2, 1.125])


def test_words_and_typos_stay_what_they_were(tmp_path: Path) -> None:
    rows = [["red" if k % 3 else "1,5", str(k), str(k % 2)] for k in range(40)]
    data = open_source(write(tmp_path / "a.csv", ["colour", "n", "y"], rows), LABEL)
    assert data.spec.columns[0].categories == ("1,5", "red")


@pytest.mark.parametrize("delimiter", ["\t", "\\t", "tab"])
def test_the_tab_has_three_names(delimiter: str, tmp_path: Path) -> None:
    write(tmp_path / "a.txt", ["x", "y"], [[str(k), str(k % 2)] for k in range(20)], "\t")
    assert open_source(tmp_path / "a.txt", ReadOptions(label="y", delimiter=delimiter)).report.used == 20
    with pytest.raises(UsageError, match="--delimiter is one character, or tab, not 'ab'"):
        open_source(tmp_path / "a.txt", ReadOptions(label="y", delimiter="ab"))


@pytest.mark.parametrize("seed", range(4))
def test_columns_not_to_learn_from_are_told_all_at_once(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(60, 150))
    start = int(rng.integers(0, 3))
    day, form = date(2001, 1, 1), rng.choice(["%Y-%m-%d", "%d.%m.%Y"])
    columns = {
        rng.choice(["Unnamed: 0", "n", "nr"]): [str(start + k) for k in range(count)],
        rng.choice(["customer_id", "PatientID", "id"]): list(map(str, rng.permutation(10 * count)[:count])),
        "when": [(day + timedelta(int(days))).strftime(form) for days in rng.integers(0, 99, count)],
        "remark": [f"the patient came {rng.integers(40)} times and left" for _ in range(count)],
        "code": [f"K{k}-{rng.integers(9)}" for k in range(count)],
        "age": list(map(str, rng.integers(0, 90, count))),
        "colour": list(rng.choice(["red", "blue"], count)),
        "y": list(map(str, rng.integers(0, 2, count))),
    }
    data = open_source(
        write(tmp_path / "a.csv", list(columns), list(map(list, zip(*columns.values(), strict=True)))), LABEL
    )
    told = [note for note in data.notes if "leaves it out" in note]
    assert [name for name in columns if any(f"column '{name}' " in note for note in told)] == list(columns)[:5]
    words = "numbers the rows", "numbers the rows", "dates", "free text", "identifiers"
    assert all(word in note for word, note in zip(words, told, strict=True)), told


def test_ordinary_columns_are_not_told() -> None:
    assert remark_on("valid", ["1", "0"], 2, 99, numeric=True, counts=False) is None
    assert remark_on("paid", ["yes", "no"], 2, 99, numeric=False, counts=False) is None
    assert remark_on("age", ["17", "18", "19 years"], 3, 99, numeric=False, counts=False) == (
        "holds numbers and words such as '19 years', and is read as words"
    )
    assert remark_on("code", ["1", "2"], 2, 99, numeric=False, counts=False) is None
    assert remark_on("price", list("123456789"), 99, 99, numeric=True, counts=False) is None


def test_all_columns_with_a_slip_are_named_at_once(tmp_path: Path) -> None:
    rows = [["x" if k == 5 else str(k / 7), "z" if k == 9 else str(k / 3), str(k % 2)] for k in range(400)]
    with pytest.raises(UsageError, match=r"column 'a' .*'x' in line 7.*column 'b' .*'z' in line 11"):
        open_source(write(tmp_path / "a.csv", ["a", "b", "y"], rows), LABEL)


@pytest.mark.parametrize(
    ("cells", "default", "mark", "evidence"),
    [
        (["5,178", "40,5", "7,25"], ".", ",", "the comma is the decimal mark, as '40,5' shows"),
        (["5,178", "1,234.5", "812"], ",", ".", "the point is the decimal mark, as '1,234.5' shows"),
        (["5,178", "15,024", "950", "0"], ",", ".", "whole numbers such as '950'"),
        (["0,178", "5,178", "15,024"], ".", ",", "the comma is the decimal mark, as '0,178' shows"),
        (["5,178", "15,024", "0"], ",", ",", "no cell shows it, but the comma is usual here"),
        (["5,178", "15,024"], ".", ".", "no cell shows it, but the point is usual here"),
        (["€1.234", "€12", "7"], ".", ",", "whole numbers such as '7'"),
        (["40,5", "n/a", "?", "12"], ".", ",", ""),
    ],
)
def test_the_cells_of_a_column_decide_what_a_comma_is(cells: list[str], default: str, mark: str, evidence: str) -> None:
    form = number_form(cells, default)
    assert form is not None and form.mark == mark and evidence in describe_form(form)
    assert bool(form.evidence) == any(map(is_ambiguous, cells))


def test_a_column_of_both_kinds_is_read_by_one_rule_and_counted(tmp_path: Path) -> None:
    cells = ["40,5", "5,178", "38", "5,178", "1.250", "35,25"] * 10
    path = write(tmp_path / "a.csv", ["x", "y"], [[cell, str(k % 2)] for k, cell in enumerate(cells)], ";")
    data = open_source(path, LABEL)
    assert data.split(None)[np.arange(6)][:, 0].tolist() == pytest.approx([40.5, 5.178, 38, 5.178, 1250, 35.25])
    assert any(
        "'40,5' was read as 40.5 (the comma is the decimal mark, as '40,5' shows)" in note for note in data.notes
    )
    assert any("'x': 30 cells, such as '5,178', may hold decimals or thousands" in note for note in data.notes)


@pytest.mark.parametrize("commas", [True, False])
def test_points_between_thousands_beside_decimal_commas(commas: bool, tmp_path: Path) -> None:
    """Three decimals after a point stay decimals, unless other columns have decimal commas."""
    rows = [[f"{k / 8:.3f}".replace(".", "," if commas else "."), f"1.{k:03}", str(k % 2)] for k in range(60)]
    data = open_source(write(tmp_path / "a.csv", ["x", "n", "y"], rows, ";"), LABEL)
    assert data.spec.columns[1].decimal_mark == ("," if commas else None)
    expected = [1000, 1.0][not commas] + np.arange(5) * [1, 0.001][not commas]
    assert data.split(None)[np.arange(5)][:, 1].tolist() == pytest.approx(expected.tolist())
