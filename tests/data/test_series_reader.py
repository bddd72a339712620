"""Series: tables with a time column, cut into windows, and arrays [N, C, T]."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import real

from sparring.data.dataset import Dataset
from sparring.data.open import open_source
from sparring.data.reader_api import ReadOptions
from sparring.data.time_series import MAX_GAP, fill_gaps, stretches, time_parser, to_grid, windows
from sparring.engine.data_spec import SeriesSpec
from sparring.engine.errors import SparringError, UsageError

START = datetime(2024, 1, 1)


def hours(count: int) -> list[list[str]]:
    """Rows of time, load and price, an hour apart."""
    return [[(START + timedelta(hours=k)).isoformat(), str(k), str(2 * k % 7)] for k in range(count)]


def write(path: Path, rows: list[list[str]], header: str = "time,load,price") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


def series(path: Path, **options: Any) -> Dataset:
    return open_source(path, ReadOptions(kind="series", **options))


def test_a_table_with_a_time_is_cut_into_windows(tmp_path: Path) -> None:
    data = open_source(write(tmp_path / "a.csv", hours(200)), ReadOptions(window=10))
    spec, whole = data.spec, data.split(None)
    assert isinstance(spec, SeriesSpec) and data.report.kind == "series"
    assert spec.channels == ("load", "price") and spec.length == 10 and spec.shape == (2, 10)
    assert (len(data), len(data.split("test")), len(whole)) == (18, 2, 20)
    stored = whole[np.arange(20)]
    assert stored.dtype == np.float32 and np.array_equal(stored[:, 0].reshape(-1), np.arange(200))
    assert whole.names[0] == "2024-01-01T00:00:00 to 2024-01-01T09:00:00"
    assert data.split("test").names[-1].endswith(" to 2024-01-09T07:00:00")  # the last in time
    x = spec.encode(data[np.arange(18)])
    assert x.mean((0, 2)).numpy() == pytest.approx([0, 0], abs=1e-5)
    assert x.std((0, 2)).numpy() == pytest.approx([1, 1], abs=0.01)
    assert np.allclose(spec.decode(x), data[np.arange(18)], atol=1e-3)
    assert "'time' of a.csv is a time over numbers; --kind table reads rows one by one" in data.report.evidence
    assert open_source(tmp_path / "a.csv", ReadOptions(kind="table", drop=("time",))).report.kind == "table"


def test_unsorted_and_repeated_times(tmp_path: Path) -> None:
    rows = hours(30)
    mixed = [rows[k] for k in np.random.default_rng(0).permutation(30)] + [[rows[3][0], "99", "99"]]
    data = series(write(tmp_path / "a.csv", mixed), window=6).split(None)
    assert np.array_equal(data[np.arange(5)][:, 0].reshape(-1), np.arange(30))
    assert "rows were not in the order of 'time': they were sorted" in data.notes
    assert data.skipped == {"repeats a time: the first row counts": [rows[3][0]]}


def test_small_gaps_are_interpolated_and_long_ones_cut(tmp_path: Path) -> None:
    rows = hours(60)
    rows[5][1] = ""  # a cell
    del rows[10:12]  # two rows
    del rows[28:38]  # ten rows: hours 30 to 39
    data = series(write(tmp_path / "a.csv", rows), window=10).split(None)
    assert np.allclose(data[np.arange(len(data))][:3, 0].reshape(-1), np.arange(30))
    assert [name[:13] for name in data.names] == [
        f"2024-01-0{1 + k // 24}T{k % 24:02}" for k in (0, 10 + 2, 20, 40, 50)
    ]
    assert any("3 gaps of up to 3 steps were interpolated" in note for note in data.notes)
    assert "it was cut at 1 gaps that are too long to interpolate" in data.notes


def test_odd_rows_are_skipped_and_words_left_out(tmp_path: Path) -> None:
    rows = [[*row, "fine"] for row in hours(40)]
    rows[7] = ["yesterday", "1", "1", "fine"]
    rows[9] = rows[9][:2]
    data = series(write(tmp_path / "a.csv", rows, "time,load,price,sky"), window=4, time="time")
    assert data.spec.channels == ("load", "price")
    assert data.skipped == {"has no time in 'time'": ["line 9"], "has 2 cells in place of 4": ["line 11"]}
    assert "columns that hold no numbers were left out: sky" in data.notes


@pytest.mark.parametrize(
    ("sample", "first"),
    [
        (["1999-01-04", "1999-01-05"], "1999-01-04"),
        (["1/4/1999", "1/15/1999"], "1999-01-04"),
        (["4/1/1999", "15/1/1999"], "1999-01-04"),
        (["04.01.1999", "05.01.1999"], "1999-01-04"),
        (["1999/1/4 00:00", "1999/1/4 01:00"], "1999-01-04"),
        (["1999-01-04T00:00:00Z", "1999-01-04T01:00:00Z"], "1999-01-04"),
    ],
)
def test_times_are_understood(sample: list[str], first: str) -> None:
    parse = time_parser(sample)
    assert parse is not None
    times = [parse(text) for text in sample]
    assert times[0] == datetime.fromisoformat(first + "T00:00:00+00:00").timestamp() and times[1] > times[0]  # type: ignore[operator]


def test_what_is_no_time() -> None:
    assert time_parser(["soon"]) is None and time_parser([]) is None and time_parser(["2024-13-01"]) is None


@settings(deadline=None, max_examples=50)
@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(1, 8))
def test_windows_hold_no_gap(present: list[bool], length: int) -> None:
    places = np.flatnonzero([True, *present, True])
    values = places[:, None].astype(np.float32)
    grid = to_grid(places.astype(np.float64), values)
    starts, left = windows(grid.stretches, length)
    for start in starts:
        window = grid.values[start : start + length, 0]
        assert np.isfinite(window).all()
    assert left + len(starts) * length == sum(end - start for start, end in grid.stretches)
    assert np.array_equal(grid.values[grid.rows >= 0], values)


def test_gaps_at_the_ends_stay() -> None:
    nan = np.nan
    values = np.array([nan, 1, nan, nan, 4, *[nan] * (MAX_GAP + 1), 9, nan], np.float32)
    assert fill_gaps(values) == 1
    assert values[:5].tolist()[1:] == [1, 2, 3, 4] and np.isnan(values[[0, 5, 8, 10]]).all()
    assert stretches(np.isfinite(values)) == [(1, 5), (9, 10)]


def test_arrays(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(3, 5, (40, 2, 16)).astype(np.float64)
    x[3, 1, 5], x[4, 0, :8] = np.nan, np.inf
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    data = series(tmp_path / "a.npz", names=("left", "right"))
    assert data.spec.channels == ("left", "right") and data.spec.classes == ("0", "1")
    assert data.split("test").class_counts == (1, 2) or len(data.split("test")) == 3
    assert data.skipped == {"holds values that are not finite": ["a.npz:x[4]"]}
    assert any("1 gap of up to 3 steps was interpolated" in note for note in data.notes)
    np.save(tmp_path / "flat.npy", x[:3, 0])
    assert series(tmp_path / "flat.npy").split(None).spec.shape == (1, 16)
    assert open_source(tmp_path / "flat.npy").report.kind == "table"


def test_new_series_are_read_as_the_model_learnt_them(tmp_path: Path) -> None:
    data = open_source(write(tmp_path / "a.csv", hours(200)), ReadOptions(window=10))
    new = open_source(write(tmp_path / "b.csv", [[*r, "7"] for r in hours(40)], "time,price,load,more"), like=data.spec)
    spec = new.spec
    assert (spec.channels, spec.length, spec.mean, spec.std) == (("load", "price"), 10, data.spec.mean, data.spec.std)
    with pytest.raises(UsageError, match="has no numbers in 'price', which the model was trained with"):
        open_source(write(tmp_path / "c.csv", [r[:2] for r in hours(40)], "time,load"), like=spec)
    with pytest.raises(UsageError, match=r"series are \[2, 16\], those that the model was trained on \[2, 10\]"):
        np.save(tmp_path / "a.npy", np.zeros((3, 2, 16)))
        open_source(tmp_path / "a.npy", ReadOptions(kind="series"), like=spec)


@pytest.mark.parametrize(
    ("rows", "options", "error", "words"),
    [
        (hours(40), {}, SparringError, "has no 64 steps without a long gap, the longest stretch has 40: --window 5"),
        (hours(40), {"time": "when"}, UsageError, "--time when: a.csv has no column 'when'"),
        (hours(40), {"drop": ("load", "price")}, SparringError, "no column of numbers beside the time 'time'"),
        ([["soon", "1", "2"]] * 9, {}, UsageError, "'time' holds no times that are understood, 'soon'"),
        ([], {}, SparringError, "has a header and no rows"),
        (hours(1), {}, SparringError, "a series has many"),
        (hours(40), {"label": "load"}, UsageError, "--label is for tables, and the source is read as series"),
    ],
)
def test_bad_files_and_calls(
    rows: list[list[str]], options: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        series(write(tmp_path / "a.csv", rows), **options)


def test_arrays_that_are_no_series(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 2, 4, 4)))
    with pytest.raises(SparringError, match=r"series are numbers \[N, C, T\]"):
        series(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros((3, 2, 4)))
    with pytest.raises(UsageError, match="--window cuts one long series"):
        series(tmp_path / "b.npy", window=2)
    with pytest.raises(UsageError, match="--names has 1 names, the series have 2 channels"):
        series(tmp_path / "b.npy", names=("a",))
    with pytest.raises(SparringError, match=r"holds 2 x .png"):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "a.png").write_bytes(b"")
        (tmp_path / "x" / "b.png").write_bytes(b"")
        series(tmp_path / "x")


@pytest.mark.parametrize(
    ("name", "channels", "windows"),
    [("series/sp500.csv.gz", 6, 78), ("series/vix.csv.gz", 1, 20), ("series/seattle-temps.csv", 1, 136),
     ("series/seattle-weather.csv", 4, 22)],
)  # fmt: skip
def test_real_series(name: str, channels: int, windows: int) -> None:
    data = open_source(real(name)).split(None)
    assert data.report.kind == "series" and (len(data.spec.channels), len(data)) == (channels, windows)


@pytest.mark.parametrize(("mark", "delimiter"), [(",", ";"), (",", "\t"), (".", ",")])
def test_numbers_in_local_form(mark: str, delimiter: str, tmp_path: Path) -> None:
    """The values of a file with decimal commas are those of the same file with points."""
    values = np.random.default_rng(0).normal(3, 1, 80).round(2)
    rows = [f"{k},{v:.2f},{1000 * v:.0f}".split(",") for k, v in enumerate(values)]
    lines = [delimiter.join([row[0], row[1].replace(".", mark), row[2]]) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join([delimiter.join(["time", "load", "n"]), *lines]))
    data = open_source(tmp_path / "a.csv", ReadOptions(window=8))
    assert data.report.kind == "series" and data.spec.channels == ("load", "n")
    assert np.allclose(data.split(None)[np.arange(10)][:, 0].reshape(-1), values)
    assert any("column 'load' holds numbers in local form: '" in note for note in data.notes) == (mark == ",")


def test_times_and_thousands_in_local_form(tmp_path: Path) -> None:
    rows = [f"{k / 4:.2f};{1000 + 37 * k:,};{k / 7:.1f}" for k in range(40)]
    lines = [row.translate({ord("."): ",", ord(","): "."}) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(["time;load;n", *lines]))
    data = open_source(tmp_path / "a.csv", ReadOptions(window=8, kind="series"))
    assert data.split(None).names[0] == "0,00 to 1,75"
    assert np.array_equal(data.split(None)[np.arange(5)][:, 0].reshape(-1), 1000 + 37 * np.arange(40))
    assert any("40 cells, such as '1.000', may hold decimals or thousands" in note for note in data.notes)


def test_training_windows_overlap_and_leave_a_gap_before_the_test(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", hours(200))
    data, apart = (open_source(path, ReadOptions(window=10, hop=hop)) for hop in (1, None))
    test = data.split("test")
    assert test.names == apart.split(None).names[-5:]  # a quarter of the windows, as a tenth would be few
    first, last = test[np.arange(5)][0, 0, 0], data[np.arange(len(data))][-1, 0, -1]
    assert len(data) == 200 - 50 - 10 - 10 + 1 and first - last == 11  # the load rises by 1 an hour
    assert any("start every 1 step and overlap: 131 of them hold as much as 14 windows" in note for note in data.notes)
    with pytest.raises(UsageError, match="--hop must be 1 or more"):
        open_source(path, ReadOptions(window=10, hop=-1))
    with pytest.raises(UsageError, match="unknown --code 'return': did you mean 'returns'"):
        open_source(path, ReadOptions(window=10, code="return"))


def test_codes_are_fitted_where_they_are_requested(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    prices = np.exp(rng.normal(0, 0.01, 2000).cumsum())
    rows = [[str(k), str(price), str(rng.normal())] for k, price in enumerate(prices)]
    path = write(tmp_path / "a.csv", rows, "time,price,noise")
    assert series(path).spec.codes is None
    data = series(path, code="auto")
    assert [code.returns for code in data.spec.codes] == [True, False]
    assert any("learnt as log-returns (positive" in note and "price" in note for note in data.notes)
    again = open_source(path, like=data.spec)
    assert again.spec.codes == data.spec.codes
    assert [code.returns for code in series(path, code="levels").spec.codes] == [False, False]
