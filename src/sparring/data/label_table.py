"""Tables of labels: any delimiter, encoding and header, JSON and JSON lines; columns are known by what they hold."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sparring.data.roles.matching import Names
from sparring.data.roles.words import is_nothing, plain
from sparring.data.tables.text import guess_delimiter
from sparring.engine.errors import SparringError, UsageError, did_you_mean

LABEL_NAMES = (
    "label", "labels", "class", "classes", "classname", "labelname", "category", "target", "y", "word", "breed",
    "species", "tag", "emotion", "character", "diagnosis", "dx", "sentiment", "genre", "finelabel", "classid",
    "labelid", "text",
)  # fmt: skip
"""Columns of labels, as they are called in letters and digits alone; the first that is there counts."""
FILE_NAMES = ("name", "filename", "file", "path", "filepath", "image", "imageid", "img", "imgname", "id")
LOOKED_AT = 1_000
"""Rows by which the column of names is found."""
TABLE_SUFFIXES = frozenset([".csv", ".tsv", ".tab", ".txt", ".jsonl", ".json"])


@dataclass
class LabelTable:
    """Rows of text cells; `lines` are their numbers in the file."""

    name: str
    header: list[str] | None
    rows: list[list[str]]
    lines: list[int]
    notes: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Columns of most rows."""
        return Counter(map(len, self.rows)).most_common(1)[0][0] if self.rows else 0

    def column(self, place: int) -> list[str]:
        """Return the cells of a column; nothing where a row is too short."""
        return [row[place] if place < len(row) else "" for row in self.rows]

    def title(self, place: int) -> str:
        """Return what a column is called."""
        return self.header[place] if self.header and place < len(self.header) else str(place)


@dataclass(frozen=True)
class Columns:
    """Where a table holds names and labels."""

    name: int
    label: int | None
    """Column of the class; None for one-hot columns."""
    one_hot: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def parse_label_table(content: bytes, name: str) -> list[LabelTable]:
    """Return the table in a file, once for each encoding that may be meant; raises SparringError on what is none."""
    if content.startswith(b"PK\3\4"):
        raise SparringError(f"{name} is an Excel file or a zip, no text: save it as CSV (UTF-8)")
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise SparringError(f"{name} is an old Excel file, no text: save it as CSV (UTF-8)")
    return [_parse(text, name, notes) for text, notes in _texts(content, name)]


def _texts(content: bytes, name: str) -> list[tuple[str, list[str]]]:
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return [(content.decode("utf-16"), [f"{name} was read as UTF-16"])]
        if b"\0" in content[:4096]:
            raise SparringError(f"{name} is no text: it holds zero bytes. Save it as CSV (UTF-8)")
        return [(content.decode("utf-8-sig"), [])]
    except UnicodeDecodeError:
        pass
    texts: list[tuple[str, list[str]]] = [(content.decode("utf-8-sig", "surrogateescape"), [])]  # as names of files are
    with suppress(UnicodeDecodeError):
        texts.insert(0, (content.decode("cp1252"), [f"{name} is no UTF-8: it was read as Windows-1252"]))
    return texts


def _parse(text: str, name: str, notes: list[str]) -> LabelTable:
    if text.lstrip()[:1] in ("{", "[") and (table := _parse_json(text, name)) is not None:
        return replace(table, notes=notes)
    try:
        lines = text.splitlines(keepends=True)
        delimiter, more = guess_delimiter(lines[:1000], name)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        numbered = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise SparringError(f"{name} is no CSV: {error}") from error
    return LabelTable(name, None, [row for _, row in numbered], [line for line, _ in numbered], [*notes, *more])


def _parse_json(text: str, name: str) -> LabelTable | None:
    """Return the records of JSON or JSON lines: a list of objects, a list of pairs, or an object of names."""
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return None
    if isinstance(value, dict) and isinstance(value.get("labels"), list | dict):
        value = value["labels"]
    if isinstance(value, dict):
        value = list(map(list, value.items()))
    if not isinstance(value, list) or not value:
        return None
    lines = list(range(1, len(value) + 1))
    if all(isinstance(row, dict) for row in value):
        header = list(dict.fromkeys(key for row in value for key in row))
        return LabelTable(name, header, [[_cell(row.get(key)) for key in header] for row in value], lines)
    if all(isinstance(row, list) for row in value):
        return LabelTable(name, None, [[_cell(cell) for cell in row] for row in value], lines)
    return None


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def find_columns(table: LabelTable, names: Names, label: str | None = None) -> Columns | None:
    """Return where names and labels are; None where no column holds names. Takes the header off the rows.

    `label` is the column of the labels by name or position. Raises UsageError where there is no such column, or where
    several columns may be meant.
    """
    width = max(table.width, 2)
    head = [plain(cell) for cell in table.rows[0]] if table.header is None and table.rows else []
    if table.header is None and {"name", "label"} <= set(head):
        place = head.index("name")
    else:
        step = -(-len(table.rows) // LOOKED_AT)
        hits = [sum(names.find(cell) is not None for cell in table.column(k)[::step]) for k in range(width)]
        place = max(range(width), key=lambda k: (hits[k], -k))
        if not hits[place]:
            return None
    if table.header is None and table.rows and _is_head(table, place, names, head):
        table.header, table.rows, table.lines = [c.strip() for c in table.rows[0]], table.rows[1:], table.lines[1:]
    return _label_column(table, place, label)


def _is_head(table: LabelTable, place: int, names: Names, head: list[str]) -> bool:
    first = table.rows[0]
    if place < len(first) and names.find(first[place]) is not None and first[place].strip():
        return False
    if {"name", "label"} <= set(head) or set(head) & {*FILE_NAMES, *LABEL_NAMES} - {""}:
        return True
    return not any("." in cell.strip(".") or "/" in cell or "\\" in cell for cell in first)


def _label_column(table: LabelTable, place: int, label: str | None) -> Columns:
    others = [k for k in range(table.width) if k != place]
    titles = [table.title(k) for k in range(table.width)]
    if label is not None:
        wanted = titles.index(label) if label in titles else int(label) if label.isdecimal() else -1
        if not 0 <= wanted < table.width:
            raise UsageError(f"--label {label}: {table.name} has no column '{label}': {did_you_mean(label, titles)}")
        return Columns(place, wanted)
    plains = [plain(title) for title in titles]
    known = [plains.index(name) for name in LABEL_NAMES if name in plains and plains.index(name) in others]
    if known and table.header:
        note = [f"{table.name}: '{titles[known[0]]}' is taken for the label, and '{titles[known[1]]}' is not: --label "
                "takes another column"] if len(known) > 1 else []  # fmt: skip
        return Columns(place, known[0], (), tuple(note))
    if len(others) == 1:
        return Columns(place, others[0])
    if not others:
        line = table.lines[0] if table.lines else 1
        raise UsageError(f"{table.name}, line {line}: {table.width} column, where name,label are needed")
    if len(others) > 1 and _is_one_hot([table.column(k) for k in others]):
        return Columns(place, None, tuple(others))
    likely = [k for k in others if _may_be_label(table.column(k))]
    if len(likely) == 1:
        return Columns(place, likely[0], (), (f"{table.name}: '{titles[likely[0]]}' is taken for the label",))
    listed = ", ".join(titles[k] for k in likely or others)
    raise UsageError(f"{table.name} has several columns that may be labels ({listed}): name one by --label COLUMN")


def _may_be_label(cells: Sequence[str]) -> bool:
    """Return True for a column of a few words, each of them in several rows."""
    counts = Counter(cell for cell in cells if not is_nothing(cell))
    return len(counts) > 1 and len(counts) * 2 <= counts.total()


def _is_one_hot(columns: Sequence[Sequence[str]]) -> bool:
    rows = [[cell.strip() for cell in row] for row in zip(*columns, strict=True)]
    ones = [sum(cell in ("1", "1.0", "True", "true") for cell in row) for row in rows]
    known = {"0", "1", "0.0", "1.0", "True", "False", "true", "false"}
    return bool(rows) and all(set(row) <= known for row in rows) and all(count == 1 for count in ones)


def label_of(table: LabelTable, columns: Columns, row: Sequence[str]) -> str | None:
    """Return the label in a row; None for a mark for nothing. Whole numbers that are written as floats are whole."""
    if columns.label is None:
        ones = [k for k in columns.one_hot if row[k].strip() in ("1", "1.0", "True", "true")]
        return table.title(ones[0]) if ones else None
    text = row[columns.label] if columns.label < len(row) else ""
    return None if is_nothing(text) else text
