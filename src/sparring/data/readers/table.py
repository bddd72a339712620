"""Tables: csv, tsv, parquet and arrays `[N, F]`; read twice, first for the columns, then row by row into numbers."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from sparring.data.files.archive import Container, Skipped, suffix
from sparring.data.groups import GroupValues
from sparring.data.mmap_io import let_go
from sparring.data.numpy_io import numpy_names
from sparring.data.reader_api import Example, RawDataset, ReadOptions, ReadResult
from sparring.data.readers.table_labels import join_labels
from sparring.data.roles.words import split_of_path
from sparring.data.tables.columns import ColumnSummary, Misfit, RowCoder, choose_columns, parse_cell, to_class
from sparring.data.tables.parquet_cells import parquet_names
from sparring.data.tables.text import open_text_table
from sparring.data.tables.typed import open_array_tables, open_parquet_table
from sparring.engine.data_spec import DataSpec, TableSpec
from sparring.engine.errors import SparringError, UsageError, did_you_mean

if TYPE_CHECKING:
    from sparring.data.reader_api import Rows

TEXT_SUFFIXES = frozenset([".csv", ".tsv", ".tab", ".data", ".test"])
"""The last two are those of UCI: NAME.data for training, NAME.test for testing."""
CHUNK_ROWS = 1024


class TableFile(Protocol):
    """One table as rows of text cells."""

    name: str
    header: list[str]
    split: Literal["train", "test"]
    notes: list[str]
    place: str
    """How a row is named, by its number."""
    label: str | None
    """Column of the class, where the file names it."""
    nested: dict[str, str]
    """Columns whose values are no single ones -> their types."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells of each row."""
        ...


class Coder(Protocol):
    """Writes the cells of rows as numbers."""

    def __call__(self, cells: Sequence[str], row: NDArray[np.float32]) -> None:
        """Write `cells` into a `row` `[F]` of zeros; raise Misfit where one does not fit its column."""
        ...

    def remarks(self) -> list[str]:
        """Return notes on the cells."""
        ...


def row_name(file: TableFile, line: int, files: int) -> str:
    """Return the name of a row of a table, which of several `files` names its file."""
    place = file.place.format(line)
    return f"{file.name} {place}" if files > 1 else place


class TableRows(Sequence[Example]):
    """The rows of tables as examples, by their line numbers and labels alone."""

    def __init__(self, files: Sequence[TableFile]) -> None:
        self._files, self._many = files, len(files) > 1
        self.file, self.line, self.label = array("q"), array("q"), array("q")
        self.classes: list[str | None] = []
        """Class of each number in `label`; None: unlabelled, or not usable."""

    def __len__(self) -> int:
        return len(self.line)

    @overload
    def __getitem__(self, row: int) -> Example: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Example]: ...
    def __getitem__(self, row: int | slice) -> Example | Sequence[Example]:
        if isinstance(row, slice):
            return [self[k] for k in range(*row.indices(len(self)))]
        file = self._files[self.file[row]]
        label = self.label[row]
        name = row_name(file, self.line[row], len(self._files))
        return Example(name, file.split if self._many else "train", None if label < 0 else self.classes[label])


@dataclass
class Tables(RawDataset):
    """One table, or several with the same columns."""

    files: list[TableFile]
    options: ReadOptions
    skipped: list[Skipped]
    format: str
    notes: list[str] = field(default_factory=list)
    unit: str = "rows"
    held_out: int | None = 5

    def __post_init__(self) -> None:
        self.items: TableRows = TableRows(self.files)
        self.name = self.files[0].name
        self.header = self.files[0].header
        self._skipped_rows = 0
        self._vectors: NDArray[np.float32] | None = None
        self.notes += dict.fromkeys(note for file in self.files for note in file.notes)

    def plan(self, options: ReadOptions, like: DataSpec | None) -> TableSpec:
        """Sum up the columns in a first reading, and choose which are numbers and which categories."""
        table = like if isinstance(like, TableSpec) else None
        self._target = self._find_target(table)
        self._protected = self._find_protected()
        drop = {self._column(name, "--drop") for name in options.drop}
        if not options.see_protected:
            drop |= set(self._protected) - {column.name for column in (table.columns if table else ())}
        categorical = {self._column(name, "--categorical") for name in options.categorical}
        used = [name for name in self.header if name not in drop and name != self._target]
        self._check_nested(used)
        if table and (lacking := next((c.name for c in table.columns if c.name not in used), None)):
            raise UsageError(f"{self.name} has no column '{lacking}', which the model was trained with")
        if table:
            new = [name for name in used if name not in table.left_out]
            _check_counted(self.name, new, [column.name for column in table.columns])
        summaries = self._summarize(used)
        mark = default_mark(self.files[0])
        self._vectors = self._numeric_labels(table, mark) if self._target else None
        classes = self._target is not None and self._vectors is None
        self._classes = (table.classes if table else self._target_summary.to_classes(self.name)) if classes else ()
        self._misfits = self._number_misfits() if self._vectors is not None else self._number_classes()
        columns = table.columns if table else choose_columns(summaries, categorical, self.name, self.notes, mark)
        if not self._target and not table:
            names = f"one of {', '.join(self.header[:20])}" + ", ..." * (len(self.header) > 20)
            self.notes.append(f"rows are unlabelled: --label names the column of the class, {names}")
        kept = {self._target, *(column.name for column in columns)}
        left_out = table.left_out if table else tuple(name for name in self.header if name not in kept)
        return TableSpec(columns, self._target or "", left_out=left_out)

    def _find_target(self, like: TableSpec | None) -> str | None:
        """Return the column of the class: that of the options, else that of `like` if it is there."""
        if self.options.label is not None:
            return self._column(self.options.label, "--label")
        if like and like.target in self.header and not like.condition_stats:
            return like.target
        return self.files[0].label

    def _find_protected(self) -> list[str]:
        """Return the protected columns; raise UsageError where one is that of the class."""
        given = self.options.protect
        if given is None:
            return []
        parts = [given] if given in self.header else given.split(",")
        names = list(dict.fromkeys(self._column(part.strip(), "--protect") for part in parts))
        if self._target in names:
            raise UsageError(f"--protect {self._target} is the column of the class: name another column")
        return names

    @property
    def vectors(self) -> NDArray[np.float32] | None:
        """Numeric labels `[N, 1]`, NaN where there is none; None where labels are classes."""
        return self._vectors

    @property
    def groups(self) -> list[str | None] | None:
        """Values of the protected columns in each row, joined; None for unknown."""
        return self._groups.to_list() if self._protected else None

    def _column(self, name: str, flag: str) -> str:
        return find_column(self.header, name, flag, self.name)

    def _check_nested(self, used: list[str]) -> None:
        for file in self.files:
            for name in used:
                if name in file.nested:
                    raise UsageError(
                        f"{file.name}: column '{name}' holds {file.nested[name]}, and a cell of a table holds one "
                        f"number or word: --drop '{name}' leaves it out"
                    )

    def _summarize(self, used: list[str]) -> list[ColumnSummary]:
        """Read all rows once: note their lines and labels, and what the columns hold."""
        summaries = [ColumnSummary(name) for name in used]
        positions = [self.header.index(name) for name in used]
        target = self.header.index(self._target) if self._target else None
        self._target_summary = ColumnSummary(self._target or "")
        protected = [self.header.index(name) for name in self._protected]
        self._groups = GroupValues(", ".join(self._protected))
        numbers: dict[str, int] = {}
        counting = list(zip(summaries, positions, strict=True))
        for number, file in enumerate(self.files):
            for line, cells in file.rows():
                if len(cells) != len(self.header):
                    self._skip(file, line, cells)
                    continue
                for summary, position in zip(summaries, positions, strict=True):
                    if cells[position] not in summary.values:
                        summary.add(cells[position], line)
                counting = [(summary, k) for summary, k in counting if summary.follow(cells[k])]
                label = -1
                if target is not None:
                    self._target_summary.add(cells[target], line)
                    label = numbers.setdefault(cells[target], len(numbers))
                    if self._target_summary.has_more and not self._may_be_numbers():
                        self._target_summary.to_classes(self.name)  # raises: too many for classes
                if protected:
                    self._groups.add(*(cells[k] for k in protected))
                for column, value in ((self.items.file, number), (self.items.line, line), (self.items.label, label)):
                    column.append(value)
        self._labels = list(numbers)
        for summary in summaries:
            summary.rows = len(self.items)
        if not len(self.items) and not self._skipped_rows:
            raise SparringError(f"{self.name} has a header and no rows: there is nothing to learn from")
        return summaries

    def coder(self, spec: TableSpec) -> Coder:
        """Return what writes the cells of a row as numbers."""
        return RowCoder(spec.columns, self.header)

    def _skip(self, file: TableFile, line: int, cells: list[str]) -> None:
        name = self.items_name(file, line)
        reason = f"has {len(cells)} cell{'s' * (len(cells) != 1)} in place of {len(self.header)}"
        self.skipped.append(Skipped(name, reason))
        self._skipped_rows += 1

    def items_name(self, file: TableFile, line: int) -> str:
        """Return the name of a row."""
        place = file.place.format(line)
        return f"{file.name} {place}" if len(self.files) > 1 else place

    def _may_be_numbers(self) -> bool:
        return self.options.numeric_label or self._target_summary.all_numbers

    def _numeric_labels(self, like: TableSpec | None, mark: str) -> NDArray[np.float32] | None:
        """Return the labels `[N, 1]` where they are numbers, NaN where there is none; None where they are classes."""
        if like is not None and not self.options.numeric_label:
            return None
        column = self._target_summary.to_numbers(self.name, mark, self.options.numeric_label)
        if column is None:
            return None
        numbers = [parse_cell(cell, column.decimal_mark) for cell in self._labels]
        values = np.array([np.nan if number is None else number for number in numbers], np.float32)
        self.items.classes = [None] * len(self._labels)
        return values[np.frombuffer(self.items.label, np.int64)][:, None]

    def _number_misfits(self) -> dict[int, str]:
        """Return why rows without a numeric label cannot be used, by the number of their label."""
        assert self._vectors is not None
        missing = np.frombuffer(self.items.label, np.int64)[np.isnan(self._vectors[:, 0])]
        return dict.fromkeys(missing.tolist(), f"no number in '{self._target}'")

    def _number_classes(self) -> dict[int, str]:
        """Give the items their classes; return why labels that are no class are none, by their number."""
        misfits: dict[int, str] = {}
        self.items.classes = [None] * len(self._labels)
        for number, label in enumerate(self._labels):
            try:
                self.items.classes[number] = to_class(label, self._target or "", self._classes)
            except Misfit as misfit:
                misfits[number] = str(misfit)
        return misfits

    def ingest(self, rows: Rows, spec: DataSpec, on_progress: Callable[[int], None]) -> list[ReadResult]:
        """Read all rows again, and write them as numbers."""
        assert isinstance(spec, TableSpec)
        coder, results = self.coder(spec), list[ReadResult]()
        chunk = np.zeros((CHUNK_ROWS, *rows.shape[1:]), np.float32)
        reasons: list[str] = []
        for cells in self._complete_rows():
            reasons.append(self._code(coder, cells, chunk[len(reasons)], self.items.label[len(results) + len(reasons)]))
            if len(reasons) == CHUNK_ROWS:
                self._flush(chunk, reasons, rows, results, on_progress)
        self._flush(chunk, reasons, rows, results, on_progress)
        self.notes += coder.remarks()
        return results

    def _complete_rows(self) -> Iterator[list[str]]:
        for file in self.files:
            for _, cells in file.rows():
                if len(cells) == len(self.header):
                    yield cells

    def _code(self, coder: Coder, cells: list[str], row: NDArray[np.float32], label: int) -> str:
        """Write a row; return why it cannot be used, or nothing."""
        try:
            coder(cells, row)
        except Misfit as misfit:
            return str(misfit)
        return self._misfits.get(label, "")

    @staticmethod
    def _flush(
        chunk: NDArray[np.float32], reasons: list[str], rows: Rows, results: list[ReadResult],
        on_progress: Callable[[int], None],
    ) -> None:  # fmt: skip
        """Write a chunk into its rows; all rows of a chunk have its digest."""
        count = len(reasons)
        rows[len(results) : len(results) + count] = chunk[:count]
        digest = ReadResult(hashlib.blake2b(chunk[:count].tobytes(), digest_size=16).hexdigest())
        results += [ReadResult(reason=reason) if reason else digest for reason in reasons]
        chunk[:] = 0
        reasons.clear()
        let_go(rows)
        on_progress(len(results))

    def forms(self) -> dict[str, int]:
        """Count the rows of each file."""
        counts = np.bincount(np.frombuffer(self.items.file, np.int64), minlength=len(self.files)).tolist()
        return {file.name: count for file, count in zip(self.files, counts, strict=True)}


def read_table(container: Container, options: ReadOptions) -> RawDataset | None:
    """Find the tables of a container; a single file counts whatever it is called. None where there is none."""
    from sparring.data.readers.whole_table import WholeTables

    kind = WholeTables if options.whole else Tables
    if arrays := numpy_names(container):
        tables: list[TableFile] = list(open_array_tables(container, options.names))
        others = [Skipped(name, "is no NumPy file") for name in container.names if name not in arrays]
        return kind(tables, options, [*container.refused, *others], "NumPy") if tables else None
    looked_for = [*([options.label] if options.label else []), *options.drop, *options.categorical]
    files, skipped, form = open_tables(container, options, looked_for)
    return kind(files, options, [*container.refused, *skipped], form) if files else None


def open_tables(
    container: Container, options: ReadOptions, looked_for: list[str]
) -> tuple[list[TableFile], list[Skipped], str]:
    """Open the tables of a container that have the same columns; return them, what is skipped, and the format."""
    names = container.names
    texts = [name for name in names if table_suffix(name) in TEXT_SUFFIXES]
    parquet = parquet_names(container)
    if not texts and not parquet and len(names) == 1:
        texts = names
    files: list[TableFile] = [open_parquet_table(container, name) for name in parquet]
    files += [open_text_table(container, name, options.names, options.delimiter, looked_for) for name in texts]
    joined, unused = join_labels(files)
    if options.label is None or options.label in {file.label for file in joined}:
        files = joined
    else:
        unused = []
    used, skipped = _with_same_columns(files, looked_for)
    skipped += unused
    skipped += [Skipped(name, "is no table") for name in container.names if name not in {*texts, *parquet}]
    return used, skipped, "parquet" if parquet else "text table"


def find_column(header: Sequence[str], name: str, flag: str, file: str) -> str:
    """Return the column that is called so, or is at this position, counted from 0; raises UsageError without one."""
    if name in header:
        return name
    if name.isdecimal() and int(name) < len(header):
        return header[int(name)]
    raise UsageError(f"{flag} {name}: {file} has no column '{name}': {did_you_mean(name, header)}")


def default_mark(file: TableFile) -> str:
    """Return the usual decimal mark of a table: a comma where semicolons are between the cells."""
    return "," if getattr(file, "delimiter", ",") == ";" else "."


def _check_counted(file: str, used: list[str], trained: list[str]) -> None:
    """Raise UsageError where columns without names are more than those `trained` on: which are meant is not known."""
    counted = [str(k) for k in range(len(used))]
    if used == counted and len(trained) < len(used) and trained == counted[: len(trained)]:
        raise UsageError(
            f"{file} has {len(used)} columns without names, and the model was trained on {len(trained)}: "
            "give the same columns"
        )


def table_suffix(name: str) -> str:
    """Return the suffix of a file's name, that before `.gz` where it is gzip."""
    return suffix(name.lower().removesuffix(".gz")) if suffix(name) == ".gz" else suffix(name)


def _with_same_columns(files: list[TableFile], looked_for: list[str]) -> tuple[list[TableFile], list[Skipped]]:
    """Of several files, those with the columns of the training file, with their splits by name; and the others."""
    if len(files) < 2:
        return files, []
    for file in files:
        file.split = split_of_path(file.name)

    def rank(file: TableFile) -> tuple[bool, bool, int, int]:
        same = sum(other.header == file.header for other in files)
        return "train" in file.name.lower(), set(looked_for) <= set(file.header), same, len(file.header)

    first = max(files, key=rank)
    same = [file for file in files if file.header == first.header]
    others = [Skipped(f.name, f"has other columns than {first.name}") for f in files if f.header != first.header]
    return same, others
