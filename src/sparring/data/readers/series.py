"""Series: a table with a time column, cut into windows, or arrays `[N, C, T]`."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Skipped
from sparring.data.mmap_io import let_go
from sparring.data.numpy_io import class_labels, numpy_names, open_entries
from sparring.data.reader_api import Example, RawDataset, ReadOptions, ReadResult
from sparring.data.readers.arrays import ArrayDataset
from sparring.data.readers.table import TableFile, default_mark, find_column, open_tables
from sparring.data.roles.arrays import pair_arrays
from sparring.data.tables.cells import MISSING, is_void, to_number
from sparring.data.tables.number_forms import NumberForm, describe_form, is_ambiguous, number_form, shows_commas
from sparring.data.tables.number_forms import parse as parse_number
from sparring.data.time_series import MAX_GAP, comma_number, fill_gaps, time_parser, to_grid, windows
from sparring.engine.data_spec import DataSpec, SeriesSpec
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.series_code import CODES

if TYPE_CHECKING:
    from sparring.data.reader_api import Rows

WINDOW = 64
"""Steps of a window, unless --window is given."""
TEST_ONE_IN = 10
"""One in this number of windows is for testing: the last ones in time."""
FEW_TESTS = 20
"""Windows that are for testing a generator, of a quarter of all at most, where one in TEST_ONE_IN are fewer."""
CHUNK_SERIES = 256
MOSTLY_NUMBERS = 0.8
"""Fraction of numbers among the cells of a column that makes it a channel."""
TIME_NAMES = frozenset({"time", "date", "datetime", "timestamp", "ds", "day", "month"})
"""What columns of times are called."""
MAX_WORDS = 200
"""Different words of a column from which the form of its numbers is learnt."""
MAX_OVERLAP_VALUES = 1 << 26
"""Values of all overlapping windows: of a longer series they start less often."""
TIME_SAMPLE = 32
"""Times from which their form is learnt."""


@dataclass
class ArraySeries(ArrayDataset):
    """Arrays `[N, C, T]`, of which small gaps are interpolated."""

    _filled: int = 0

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Copy the arrays into the rows."""
        results = super().ingest(rows, spec, on_progress)
        _note_filled(self.notes, self._filled)
        return results

    def finish(self, spec: DataSpec, rows: Rows, used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
        """Complete the spec, and note which channels are coded as log-returns."""
        return note_codes(self.notes, super().finish(spec, rows, used, train))

    def prepare(self, chunk: NDArray[Any]) -> NDArray[Any]:
        """Interpolate small gaps."""
        self._filled += sum(fill_gaps(channel) for one in chunk for channel in one)
        return chunk


@dataclass
class LongSeries(RawDataset):
    """One table with a time column, as one series `[C, T]` cut into windows."""

    file: TableFile
    format: str
    skipped: list[Skipped]
    notes: list[str]
    items: list[Example] = field(default_factory=list)
    unit: str = "series"
    in_time: bool = True

    def plan(self, options: ReadOptions, like: DataSpec | None) -> SeriesSpec:
        """Read the table, sort it by time, fill small gaps, and cut it into windows."""
        self._like = like if isinstance(like, SeriesSpec) else None
        time, channels = self._choose_columns(options)
        texts, times, values = self._read(time, channels)
        if len(times) < 2:
            raise SparringError(f"{self.file.name} has {len(times)} row(s) with a time: a series has many")
        order = np.argsort(times, kind="stable")
        if (order != np.arange(len(order))).any():
            self.notes.append(f"rows were not in the order of '{time}': they were sorted")
        order = self._drop_repeated(order, times, texts)
        grid = to_grid(times[order], values[order])
        _note_filled(self.notes, grid.filled)
        length = self._like.length if self._like else options.window or WINDOW
        check_options(options)
        starts, left = windows(grid.stretches, length)
        if not starts:
            longest = max((end - start for start, end in grid.stretches), default=0)
            raise SparringError(
                f"{self.file.name} has no {length} steps without a long gap, the longest stretch has {longest}: "
                f"--window {max(longest // 8, 2)} cuts it into shorter windows"
            )
        if len(grid.stretches) > 1:
            self.notes.append(f"it was cut at {len(grid.stretches) - 1} gaps that are too long to interpolate")
        if left:
            self.notes.append(
                f"{left:,} steps at the end, or before a gap, fill no window of {length} and are not used: "
                "--window takes another length"
            )
        self._grid = grid.values
        self._starts, tests = self._overlap(starts, grid.stretches, length, options.hop)
        self._name_windows(grid.rows, [texts[k] for k in order], length, tests)
        if self._like:
            return SeriesSpec(
                tuple(channels), length, self._like.mean, self._like.std, code=self._like.code, codes=self._like.codes
            )
        return SeriesSpec(tuple(channels), length, code=options.code)

    def _overlap(
        self, starts: list[int], stretches: Sequence[tuple[int, int]], length: int, hop: int | None
    ) -> tuple[list[int], int]:
        """Return the starts of all windows, and how many at the end are for testing; these never overlap.

        With a hop, windows to train on overlap, and end `length` steps or more before the first one for testing.
        """
        tests = len(starts) // TEST_ONE_IN or int(len(starts) >= TEST_ONE_IN // 2)
        if hop is None:
            return starts, tests
        tests = max(tests, min(FEW_TESTS, len(starts) // 4))
        tested = starts[len(starts) - tests :] if tests else []
        end = tested[0] - length if tested else stretches[-1][1]
        hop = max(hop, -(-(end * length * self._grid.shape[1]) // MAX_OVERLAP_VALUES))
        self.overlap = -(-2 * length // hop)
        dense = [k for a, b in stretches for k in range(a, min(b, end) - length + 1, hop)]
        if not dense:
            raise SparringError(
                f"{self.file.name} has too few steps for training windows of {length} and a gap before the test: "
                f"--window {max(length // 4, 2)} takes shorter ones"
            )
        self.notes.append(
            f"training windows start every {hop} step{'s' * (hop > 1)} and overlap: {len(dense):,} of them hold as "
            f"much as {end // length:,} windows that do not; they end {length} steps or more before the test"
        )
        return [*dense, *tested], tests

    def _choose_columns(self, options: ReadOptions) -> tuple[str, list[str]]:
        """Return the column of the time, and those of numbers."""
        header = self.file.header
        if options.time is not None:
            time = find_column(header, options.time, "--time", self.file.name)
        else:
            time = next((name for name in header if is_time_name(name)), header[0])
        drop = {find_column(header, name, "--drop", self.file.name) for name in options.drop}
        used = [name for name in header if name not in {time, *drop}]
        rows = (cells for _, cells in self.file.rows() if len(cells) == len(header))
        self._forms = _numeric_columns(rows, header, used, default_mark(self.file))
        numeric = list(self._forms)
        if words := [name for name in used if name not in numeric]:
            self.notes.append(f"columns that hold no numbers were left out: {', '.join(words)}")
        if self._like is not None:
            if lacking := next((name for name in self._like.channels if name not in numeric), None):
                raise UsageError(f"{self.file.name} has no numbers in '{lacking}', which the model was trained with")
            numeric = list(self._like.channels)
        if next(self.file.rows(), None) is None:
            raise SparringError(f"{self.file.name} has a header and no rows: there is nothing to learn from")
        if not numeric:
            raise SparringError(f"{self.file.name} has no column of numbers beside the time '{time}'")
        return time, numeric

    def _read(self, time: str, channels: list[str]) -> tuple[list[str], NDArray[np.float64], NDArray[np.float32]]:
        """Text and number of each time, and the values `[N, C]`, NaN where there is none."""
        header = self.file.header
        place, ambiguous = header.index(time), list[str]()
        forms = {name: self._forms[name] for name in channels}
        marks = [(header.index(name), form and form.mark) for name, form in forms.items()]
        self.notes += [f"column '{name}' {describe_form(form)}" for name, form in forms.items() if form]
        texts, times, values = list[str](), array("d"), array("f")
        sample = [
            cells[place]
            for _, (_, cells) in zip(range(TIME_SAMPLE), self.file.rows(), strict=False)
            if len(cells) > place
        ]
        parse = time_parser([text for text in sample if text not in MISSING])
        if parse is None:
            raise UsageError(
                f"{self.file.name}: '{time}' holds no times that are understood, '{(sample or [''])[0]}': write "
                "2024-01-31 or 2024-01-31T12:00, or a number; --time names another column"
            )
        for line, cells in self.file.rows():
            name = self.file.place.format(line)
            if len(cells) != len(header):
                self.skipped.append(Skipped(name, f"has {len(cells)} cells in place of {len(header)}"))
            elif (at := parse(cells[place])) is None:
                self.skipped.append(Skipped(name, f"has no time in '{time}'"))
            else:
                texts.append(cells[place])
                times.append(at)
                numbers = (to_number(cells[k]) if mark is None else parse_number(cells[k], mark) for k, mark in marks)
                values.extend(np.nan if number is None else number for number in numbers)
                ambiguous += [cells[k] for k, mark in marks if mark is not None and is_ambiguous(cells[k])]
        if ambiguous:
            self.notes.append(
                f"{len(ambiguous):,} cells, such as {ambiguous[0]!r}, may hold decimals or thousands: they were read "
                "as the others of their columns"
            )
        return texts, np.array(times), np.array(values, np.float32).reshape(-1, len(channels))

    def _drop_repeated(
        self, order: NDArray[np.int64], times: NDArray[np.float64], texts: list[str]
    ) -> NDArray[np.int64]:
        """Return the order without rows whose time is that of the row before."""
        repeated = np.concatenate([[False], np.diff(times[order]) <= 0])
        self.skipped += [Skipped(texts[k], "repeats a time: the first row counts") for k in order[repeated]]
        kept: NDArray[np.int64] = order[~repeated]
        return kept

    def _name_windows(self, rows: NDArray[np.int64], texts: list[str], length: int, tests: int) -> None:
        """Name windows by their first and last time, and mark the last `tests` ones as test."""
        for number, start in enumerate(self._starts):
            known = rows[start : start + length]
            known = known[known >= 0]  # empty where a short window holds interpolated steps only
            first, last = (known[0], known[-1]) if len(known) else (rows[:start].max(),) * 2
            split: Literal["train", "test"] = "test" if number >= len(self._starts) - tests else "train"
            self.items.append(Example(f"{texts[first]} to {texts[last]}", split, None))
        if tests:
            self.notes.append(f"held out for testing: the last {tests} of {len(self._starts):,} windows in time")

    def finish(self, spec: DataSpec, rows: Rows, used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
        """Complete the spec, and note which channels are coded as log-returns."""
        return note_codes(self.notes, super().finish(spec, rows, used, train))

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Copy each window into its row."""
        assert isinstance(spec, SeriesSpec)
        results = []
        for row, start in enumerate(self._starts):
            rows[row] = self._grid[start : start + spec.length].T
            results.append(ReadResult(hashlib.blake2b(rows[row].tobytes(), digest_size=16).hexdigest()))
            if row % CHUNK_SERIES == 0:
                let_go(rows)
                on_progress(row)
        on_progress(len(results))
        return results


def read_series(container: Container, options: ReadOptions) -> RawDataset | None:
    """Find arrays `[N, C, T]`, or one table with a time column, in a container; None where there is neither."""
    if names := numpy_names(container):
        return _read_arrays(container, names, options)
    looked_for = [*([options.time] if options.time else []), *options.drop]
    files, skipped, form = open_tables(container, options, looked_for)
    if not files:
        return None
    others = [Skipped(file.name, f"is not used: {files[0].name} is the series") for file in files[1:]]
    return LongSeries(files[0], form, [*container.refused, *skipped, *others], list(files[0].notes))


def _read_arrays(container: Container, names: list[str], options: ReadOptions) -> ArraySeries:
    if options.window is not None:
        raise UsageError("--window cuts one long series: these are series already, leave it out")
    entries, arrays, items = open_entries(container, names), list[NDArray[Any]](), list[Example]()
    for x, y, split in pair_arrays(list(entries)):
        values, name = entries[x](), entries[x].name
        values = values[:, None] if values.ndim == 2 else values
        if values.ndim != 3 or 0 in values.shape or values.dtype.kind not in "uif":
            raise SparringError(
                f"{name} is {values.dtype} of shape {list(values.shape)}: series are numbers [N, C, T], or [N, T]"
            )
        labels: Sequence[str | None] = class_labels(entries[y](), y) if y in entries else [None] * len(values)
        if len(labels) != len(values):
            raise SparringError(f"{name} has {len(values):,} series, and {y} {len(labels):,} labels")
        arrays.append(values)
        items += [Example(f"{name}[{row}]", split, label) for row, label in enumerate(labels)]
    if not arrays:
        raise SparringError(
            f"{container.path} holds {', '.join(entries)}: series are looked for as x, x_train or arr_0"
        )
    shapes = {values.shape[1:] for values in arrays}
    if len(shapes) > 1:
        raise SparringError(f"series are of different shapes: {', '.join(str(list(s)) for s in sorted(shapes))}")
    ((channels, length),) = shapes
    check_options(options)
    channel_names = options.names or tuple(str(k) for k in range(channels))
    if len(channel_names) != channels:
        raise UsageError(f"--names has {len(channel_names)} names, the series have {channels} channels")
    others = [Skipped(name, "is no NumPy file") for name in container.names if name not in names]
    return ArraySeries(
        "NumPy", SeriesSpec(channel_names, length, code=options.code), items, arrays, [*container.refused, *others]
    )


def check_options(options: ReadOptions) -> None:
    """Raise UsageError where an option of series is out of range."""
    if options.hop is not None and options.hop < 1:
        raise UsageError(f"--hop must be 1 or more, not {options.hop}")
    if options.code not in (None, *CODES):
        raise UsageError(f"unknown --code '{options.code}': {did_you_mean(str(options.code), CODES)}")


def note_codes(notes: list[str], spec: DataSpec) -> DataSpec:
    """Add a remark on the channels that a generator learns as log-returns; return the spec."""
    assert isinstance(spec, SeriesSpec)
    if names := [name for name, code in zip(spec.channels, spec.codes or (), strict=False) if code.returns]:
        reason = " (positive, and they move like a random walk)" * (spec.code == "auto")
        notes.append(f"learnt as log-returns{reason}: {', '.join(names)}; --code levels takes the values themselves")
    return spec


def is_time_name(name: str) -> bool:
    """Return True for what columns of times are usually called."""
    return name.strip().lower() in TIME_NAMES


def rising_time(rows: Sequence[Sequence[str]], header: Sequence[str], mark: str) -> str | None:
    """Return the column that holds a time over columns of numbers, by some rows; None where there is none.

    The column is called a time and holds different ones, or it is the first, holds dates, and rises or falls
    throughout. `mark` is the usual decimal mark of the file.
    """
    for place, name in enumerate(header):
        if place > 0 and not is_time_name(name):
            continue
        texts = [row[place] for row in rows]
        parse = time_parser(texts)
        if parse is None or len(set(texts)) < len(texts) or len(texts) < 4:
            continue
        steps = np.diff([np.nan if (time := parse(text)) is None else time for text in texts])
        is_date = parse not in (to_number, comma_number) and bool((steps > 0).all() or (steps < 0).all())
        others = [*header[:place], *header[place + 1 :]]
        numeric = _numeric_columns(rows, header, others, mark)
        if (is_time_name(name) or is_date) and len(numeric) * 2 >= max(len(others), 1):
            return name if others else None
    return None


def _numeric_columns(
    rows: Iterable[Sequence[str]], header: Sequence[str], used: Sequence[str], mark: str
) -> dict[str, NumberForm | None]:
    """Return the columns of which most cells that are not empty are numbers, others are gaps; and their local form.

    `mark` is the decimal mark where the cells of a column fit both.
    """
    place_of = {name: place for place, name in enumerate(header)}
    places = {name: place_of[name] for name in used}
    numbers, filled, others = (dict.fromkeys(used, 0) for _ in range(3))
    cells: dict[str, dict[str, None]] = {name: {} for name in used}
    for row in rows:
        for name, place in places.items():
            cell = row[place]
            is_plain, is_filled = to_number(cell) is not None, cell not in MISSING
            filled[name] += is_filled
            numbers[name] += is_plain
            others[name] += is_filled and not is_plain and not is_void(cell)
            if len(cells[name]) < MAX_WORDS:
                cells[name][cell] = None
    commas = shows_commas(cells.values())
    forms = {name: number_form(cells[name], mark, commas=commas) for name in used}
    counts = {name: numbers[name] + (others[name] if forms[name] else 0) for name in used}
    return {name: forms[name] for name in used if counts[name] and counts[name] >= MOSTLY_NUMBERS * filled[name]}


def _note_filled(notes: list[str], filled: int) -> None:
    if filled:
        notes.append(
            f"{filled:,} gap{'s' * (filled > 1)} of up to {MAX_GAP} steps "
            f"{'were' if filled > 1 else 'was'} interpolated"
        )
