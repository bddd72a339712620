"""Bars from csv files, good and bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bars import random_bars, write_prices

from sparring.data.prices import read_prices
from sparring.engine.errors import UsageError


def test_bars_come_in_order_whatever_the_columns(tmp_path: Path) -> None:
    bars = random_bars(40)
    file = write_prices(tmp_path / "a.csv", bars[:, [4, 3, 0, 1, 2]], "Date,Vol.,Close,Open Price,HIGH,Low")
    prices = read_prices(file)
    np.testing.assert_allclose(prices.values, bars, rtol=1e-6)
    assert prices.times[0] == "2020-01-01" and len(prices.times) == 40 and prices.notes == []


def test_unsorted_and_repeated_times_are_put_right_and_noted(tmp_path: Path) -> None:
    bars = random_bars(30)
    lines = write_prices(tmp_path / "a.csv", bars).read_text().splitlines()
    (tmp_path / "b.csv").write_text("\n".join([lines[0], *reversed(lines[1:]), lines[5]]) + "\n")
    prices = read_prices(tmp_path / "b.csv")
    np.testing.assert_allclose(prices.values, bars, rtol=1e-6)
    notes = " ".join(prices.notes)
    assert "sorted" in notes and "repeats a time" in notes


def test_a_gap_is_interpolated_and_noted(tmp_path: Path) -> None:
    bars = random_bars(30)
    lines = write_prices(tmp_path / "a.csv", bars).read_text().splitlines()
    (tmp_path / "b.csv").write_text("\n".join(line for k, line in enumerate(lines) if k not in (10, 11)) + "\n")
    prices = read_prices(tmp_path / "b.csv")
    np.testing.assert_allclose(prices.values[9], bars[8] + (bars[11] - bars[8]) / 3, rtol=1e-5)
    assert len(prices.times) == 30 and prices.times[8] == prices.times[9] and "interpolated" in prices.notes[0]


def test_lows_and_highs_that_leave_out_the_close_are_widened(tmp_path: Path) -> None:
    bars = random_bars(30)
    bars[3, 1] = bars[3, 2]
    prices = read_prices(write_prices(tmp_path / "a.csv", bars))
    assert prices.values[3, 1] == prices.values[3, :4].max() and "widened" in prices.notes[0]


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [(3, 5, -3.0, "close of 2020-01-06 is -3"), (0, 0, 0.0, "above 0"), (4, 2, -5.0, "volume of 2020-01-03 is -5")],
)
def test_prices_that_are_none_are_refused(column: int, row: int, value: float, words: str, tmp_path: Path) -> None:
    bars = random_bars(30)
    bars[row, column] = value
    with pytest.raises(UsageError, match=words):
        read_prices(write_prices(tmp_path / "a.csv", bars))


def test_no_volume_at_all_is_refused(tmp_path: Path) -> None:
    bars = random_bars(30)
    bars[:, 4] = 0
    with pytest.raises(UsageError, match="volume is 0 in all bars"):
        read_prices(write_prices(tmp_path / "a.csv", bars))


def test_a_table_without_bars_is_refused(tmp_path: Path) -> None:
    bars = random_bars(30)
    with pytest.raises(UsageError, match="no column 'volume'"):
        read_prices(write_prices(tmp_path / "a.csv", bars[:, :4], "date,open,high,low,close"))
