"""Text tables (csv, tsv): guess encoding, delimiter and header, and read rows with their line numbers.

By the standard library's csv module, not pyarrow's: it needs no extra, and every skipped row keeps its line and reason.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Literal

from sparring.data.files.archive import Container, suffix
from sparring.data.files.gzip_io import open_gzip
from sparring.data.files.signatures import refuse_foreign
from sparring.data.tables.cells import MISSING, is_number, is_void
from sparring.data.tables.formula_guard import unguard
from sparring.engine.errors import SparringError, UsageError

DELIMITERS = ",;\t|"
SNIFF_LINES, MAX_SNIFF_BYTES = 3, 1 << 25
"""Lines that are looked at where they are longer: arrays of genes have 12,600 columns."""
SNIFF_BYTES = 1 << 18
"""Bytes from which delimiter and header are guessed."""
DELIMITER_NAMES = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}
Open = Callable[[], IO[bytes]]
Rows = Iterator[tuple[int, list[str]]]
"""Line number -> cells, without the space around them or an apostrophe that guards them."""


@dataclass
class TextTable:
    """One text table."""

    name: str
    header: list[str]
    """Names of the columns."""
    split: Literal["train", "test"]
    open: Open
    encoding: str
    delimiter: str
    has_header: bool
    notes: list[str] = field(default_factory=list)
    place: str = "line {}"
    """How a row is named, by its number."""
    label: str | None = None
    """Column of the class: a text table names none."""
    nested: dict[str, str] = field(default_factory=dict)
    """Columns whose values are no single ones: there are none."""

    def rows(self) -> Rows:
        """Yield line number and cells of each row, without the header; raises SparringError on what is no table."""
        rows = read_rows(self.open, self.name, self.encoding, self.delimiter)
        if self.has_header:
            next(rows, None)
        return rows


def open_text_table(
    container: Container, name: str, names: Sequence[str], delimiter: str | None, columns: Iterable[str]
) -> TextTable:
    """Open a text table. `names` are those of its columns, where it has no header; `columns` some that are looked for.

    Raises SparringError where the file is empty or no text, UsageError where names do not fit.
    """
    refuse_foreign(container, name)
    stream = _opener(container, name)
    encoding, notes = guess_encoding(stream, name)
    with stream() as file:
        head, is_whole = _head(file)
    text = codecs.getincrementaldecoder(encoding)().decode(head)
    if not text.strip():
        raise SparringError(f"{name} is empty: a table has a header and rows")
    lines = text.splitlines(keepends=True)
    lines = lines if is_whole or len(lines) == 1 else lines[:-1]
    if delimiter is None:
        delimiter, note = guess_delimiter(lines, name)
        notes += note
    delimiter = "\t" if delimiter in ("\\t", "tab") else delimiter
    if len(delimiter) != 1:
        raise UsageError(f"--delimiter is one character, or tab, not {delimiter!r}")
    sample = _parse(lines, delimiter)
    header, has_header = _choose_header(sample, names, columns, notes)
    _check_names(header, name)
    return TextTable(name, header, "train", stream, encoding, delimiter, has_header, notes)


def _head(file: IO[bytes]) -> tuple[bytes, bool]:
    """Return SNIFF_BYTES of a file, or more up to SNIFF_LINES lines, and whether that is all of it."""
    head = file.read(SNIFF_BYTES)
    while head.count(b"\n") < SNIFF_LINES and len(head) < MAX_SNIFF_BYTES and (more := file.read(SNIFF_BYTES)):
        head += more
    return head, not file.read(1)


def read_rows(stream: Open, name: str, encoding: str, delimiter: str) -> Rows:
    """Yield line number and cells of each line that is not empty; raises SparringError on what is no table."""
    with _explaining(name, encoding), io.TextIOWrapper(stream(), encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        for cells in reader:
            if cells:
                yield reader.line_num, _plain(cells)


def _plain(cells: list[str]) -> list[str]:
    """Return cells without the space around them, and without an apostrophe that guards them."""
    texts = [cell.strip() for cell in cells]
    return [unguard(text) for text in texts] if "'" in "".join(texts) else texts


def guess_encoding(stream: Open, name: str) -> tuple[str, list[str]]:
    """Return the encoding of a text file, UTF-8, UTF-16 or Windows-1252, and notes where it is not UTF-8."""
    with stream() as file:
        head = file.read(4096)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", [f"{name} was read as UTF-16"]
    if b"\0" in head:
        raise SparringError(f"{name} is no text: it holds zero bytes. Save it as UTF-8 text")
    if _decodes(stream, "utf-8"):
        return "utf-8-sig", []
    if _decodes(stream, "cp1252"):
        return "cp1252", [f"{name} is no UTF-8: it was read as Windows-1252"]
    raise SparringError(f"{name} is no text in UTF-8, UTF-16 or Windows-1252: save it as UTF-8")


def _opener(container: Container, name: str) -> Open:
    """Return what opens the file as a stream, unpacked where it is gzip."""
    if suffix(name) != ".gz":
        return lambda: container.open(name)
    return lambda: open_gzip(container.open(name), name, container.size(name))


def _decodes(stream: Open, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with stream() as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def guess_delimiter(lines: list[str], name: str) -> tuple[str, list[str]]:
    """Return the delimiter that splits most lines into equally many cells."""
    by_rank: list[tuple[float, int, str]] = []
    for delimiter in DELIMITERS:
        widths = Counter(len(cells) for _, cells in _parse(lines, delimiter))
        width, count = max(widths.items(), key=lambda pair: (pair[0] > 1, pair[1]), default=(1, 0))
        by_rank.append((count / max(widths.total(), 1) if width > 1 else 0.0, width, delimiter))
    (fraction, _, best), (second, _, other) = sorted(by_rank, key=lambda rank: rank[:2], reverse=True)[:2]
    if fraction == 0:
        return ",", []
    if fraction < 0.75 and second > 0.2:
        raise SparringError(
            f"{name} mixes delimiters: {fraction:.0%} of its lines are split by {DELIMITER_NAMES[best]}, "
            f"{second:.0%} by {DELIMITER_NAMES[other]}. Save it with one; --delimiter reads those of one alone"
        )
    return best, [] if best == "," else [f"{name} is delimited by {DELIMITER_NAMES[best]}"]


def _parse(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the rows of a sample; it ends where it is no table."""
    rows = []
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if cells:
                rows.append((reader.line_num, _plain(cells)))
    except csv.Error:
        pass
    return rows


def _choose_header(
    sample: list[tuple[int, list[str]]], names: Sequence[str], columns: Iterable[str], notes: list[str]
) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether the first line holds them."""
    first = sample[0][1]
    if names:
        return list(names), first == list(names)
    rows = [cells for _, cells in sample]
    width = Counter(map(len, rows)).most_common(1)[0][0]
    if set(columns) & set(first) - {str(k) for k in range(width)}:
        return first, True
    if len(first) == width and _looks_like_header(first, [row for row in rows[1:] if len(row) == width]):
        return first, True
    notes.append(f"it has no header: columns are named by their position, 0 to {width - 1}")
    return [str(k) for k in range(width)], False


def _looks_like_header(first: list[str], others: list[list[str]]) -> bool:
    """Return True for words over a column of numbers, or words that differ and are found nowhere below."""
    if any(map(is_number, first)):
        return False
    columns = [[row[k] for row in others if row[k] not in MISSING and not is_void(row[k])] for k in range(len(first))]
    if any(column and all(map(is_number, column)) for column in columns):
        return True
    differ = all(first) and len(set(first)) == len(first)
    return differ and not any(cell in column for cell, column in zip(first, columns, strict=True))


def _check_names(names: list[str], file: str) -> None:
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise UsageError(
            f"{file} has two columns '{twice}': rename one; if its first line holds no names, give them by --names"
        )


@contextmanager
def _explaining(name: str, encoding: str) -> Iterator[None]:
    """Turn errors of reading into a message that names the file."""
    try:
        yield
    except csv.Error as error:
        raise SparringError(f"{name} is no table that can be read: {error}") from error
    except UnicodeDecodeError as error:
        raise SparringError(f"{name} is no text in {encoding}: {error}") from error
    except (OSError, EOFError) as error:
        raise SparringError(f"{name} cannot be read: {error}") from error
