"""Labels and splits from files that lie beside the examples: tables, dataset.json, a file of each stem, lists."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparring.data.files.archive import Container, suffix
from sparring.data.label_table import TABLE_SUFFIXES, LabelTable, find_columns, label_of, parse_label_table
from sparring.data.roles.label_values import Labels, to_labels
from sparring.data.roles.layout import Role
from sparring.data.roles.matching import Names
from sparring.data.roles.words import Split, split_word
from sparring.engine.errors import SparringError, UsageError

LARGEST_TABLE = 1 << 28
"""Bytes of a table that is looked into."""
MOST_TABLES = 16
NEARLY_ALL = 0.9
LEAST_MATCH = 0.5
"""Fraction of the rows, or of the examples, that have to belong together."""
SIDECARS = ".cls", ".json", ".xml", ".txt"
"""Suffixes of files that hold the label of the example of their stem, in the order in which they count."""
LABEL_KEYS = "label", "cls", "class", "category", "target"
LONGEST_LABEL = 64


@dataclass
class LabelFiles:
    """What files beside the examples say about them."""

    labels: Labels | None = None
    splits: dict[int, Split] = field(default_factory=dict)
    """Split of an example by a list, by its number."""
    used: set[str] = field(default_factory=set)
    """Files that were read as such."""
    roles: list[Role] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_label_files(
    container: Container,
    names: Sequence[str],
    others: Sequence[str],
    label: str | None,
    *,
    by_folder: bool,
    unit: str,
) -> LabelFiles:
    """Return labels and splits from the files `others` beside the examples `names`.

    `label` names the column of a table; `unit` is the plural of the examples; `by_folder`: folders name classes
    already, so that a table counts only where `label` is given.
    """
    beside, finder = LabelFiles(), Names(names)
    _read_lists(container, others, finder, beside)
    if _read_dataset_json(container, names, others, beside):
        return beside
    if not by_folder or label is not None:
        _read_tables(
            container, names, finder, [name for name in others if name not in beside.used], label, beside, unit
        )
    if beside.labels is None and not by_folder:
        _read_sidecars(container, names, others, beside)
    return beside


def _read_lists(container: Container, others: Sequence[str], finder: Names, beside: LabelFiles) -> None:
    """Read lists of names, one a line, in files such as testing_list.txt and meta/train.txt."""
    for name in others:
        word = split_word(name.rpartition("/")[2].rpartition(".")[0])
        if suffix(name) not in (".txt", ".lst", ".list") or word is None or container.size(name) > LARGEST_TABLE:
            continue
        text = container.read(name).decode("utf-8-sig", "surrogateescape")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        matched = [finder.find(line) for line in lines]
        matched = [finder.find(line.split()[0]) if k is None else k for line, k in zip(lines, matched, strict=True)]
        numbers = [number for number in matched if number is not None]
        if not numbers or len(numbers) < LEAST_MATCH * len(lines):
            continue
        beside.splits |= dict.fromkeys(numbers, word.split)
        beside.used.add(name)
        evidence = f"{len(numbers):,} of {len(lines):,} lines name files"
        beside.roles.append(Role(name, f"list of split {word.split}", len(numbers), evidence))
        beside.notes.append(f"{name} marks {len(numbers):,} as {word.split}")


def _read_dataset_json(container: Container, names: Sequence[str], others: Sequence[str], beside: LabelFiles) -> bool:
    """Read StyleGAN's dataset.json; return True where there is one that belongs to the examples."""
    name = next((name for name in others if name.rpartition("/")[2] == "dataset.json"), None)
    if name is None or container.size(name) > LARGEST_TABLE:
        return False
    try:
        value = json.loads(container.read(name))
    except ValueError:
        return False
    if not isinstance(value, dict) or "labels" not in value:
        return False
    pairs: Any = value["labels"] or []
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return False
    folder, of = name.rpartition("/")[0], dict[str, Any]()
    of = {(f"{folder}/{key}" if folder else str(key)): label for key, label in pairs}
    matched = sum(example in of for example in names)
    if pairs and matched < LEAST_MATCH * len(names):
        beside.notes.append(f"{name} names {matched:,} of {len(names):,} files: it is not used")
        return False
    beside.labels = to_labels([of.get(example) for example in names], name)
    beside.used.add(name)
    count = f"labels of {matched:,} of {len(names):,}" if pairs else "no labels (null)"
    evidence = f"StyleGAN's dataset.json, which names {matched:,} of {len(names):,} files"
    beside.roles.append(Role(name, "label table", matched, evidence))
    beside.notes += [f"{name} gives {count}", *beside.labels.notes]
    return True


def _read_tables(
    container: Container, names: Sequence[str], finder: Names, others: Sequence[str], label: str | None,
    beside: LabelFiles, unit: str,
) -> None:  # fmt: skip
    """Read the tables of which a column names the examples; all that are alike, such as one in each folder."""
    tables = [n for n in others if suffix(n) in TABLE_SUFFIXES - {".json"} and container.size(n) <= LARGEST_TABLE]
    stems = {name.rpartition(".")[0] for name in names}
    tables = [name for name in tables if name.rpartition(".")[0] not in stems][:MOST_TABLES]
    values: dict[int, str | None] = {}
    for name in tables:
        try:
            matched = match_table(parse_label_table(container.read(name), name), name, names, finder, label)
        except UsageError as error:
            if label is not None:
                raise
            beside.notes.append(str(error))
            continue
        except SparringError:
            continue
        if matched is None:
            continue
        of, rows, notes = matched
        values |= of
        beside.used.add(name)
        beside.notes += [f"labels are those of {name}, which names {len(of):,} of {len(names):,} files", *notes]
        beside.roles.append(Role(name, "label table", len(of), f"a column names files in {len(of):,} of {rows:,} rows"))
    if values:
        parsed = [_parsed(values.get(k)) for k in range(len(names))]
        beside.labels = to_labels(parsed, next(iter(sorted(beside.used))))
        beside.notes += beside.labels.notes
    elif label is not None and not tables:
        raise UsageError(
            f"--label is for tables, and the source is read as {unit}: no table beside them has a column '{label}'"
        )


def _parsed(cell: str | None) -> Any:
    """Return a list where a cell of JSON holds one."""
    if cell is None or not cell.startswith("["):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def match_table(
    tables: Sequence[LabelTable], name: str, names: Sequence[str], finder: Names, label: str | None
) -> tuple[dict[int, str | None], int, list[str]] | None:
    """Return the labels by number of the example, the number of rows, and notes; None for a table of other things."""
    folder = name.rpartition("/")[0]
    for table in tables:
        columns = find_columns(table, finder, label) if table.rows else None
        if columns is None or not table.rows:
            continue
        of: dict[int, str | None] = {}
        for row in table.rows:
            cell = row[columns.name] if columns.name < len(row) else ""
            number = finder.find(f"{folder}/{cell}") if folder and f"{folder}/{cell}" in finder else finder.find(cell)
            if number is not None:
                text = row[columns.label].strip() if columns.label is not None and columns.label < len(row) else ""
                of[number] = text if columns.label is not None else label_of(table, columns, row)
        if len(of) < LEAST_MATCH * min(len(table.rows), len(names)):
            continue
        missing = len(table.rows) - len(of)
        notes = [*table.notes, *columns.notes]
        notes += [f"{missing:,} rows of {name} name no file that is used"] * (missing > 0)
        return of, len(table.rows), notes
    return None


def _read_sidecars(container: Container, names: Sequence[str], others: Sequence[str], beside: LabelFiles) -> None:
    """Read the label of each example from a file of its stem, as in WebDataset and VOC."""
    of_stem: dict[str, dict[str, str]] = defaultdict(dict)
    for other in others:
        of_stem[suffix(other)][other.removesuffix(other[len(other) - len(suffix(other)) :])] = other
    for kind in SIDECARS:
        files = [of_stem[kind].get(name.rpartition(".")[0]) or of_stem[kind].get(_key(name)) for name in names]
        there = [file for file in files if file]
        if len(there) < LEAST_MATCH * len(names):
            continue
        values = [_sidecar_label(container.read(file), kind) if file else None for file in files]
        counts = Counter(value for value in values if isinstance(value, str))
        if all(value is None for value in values) or (kind == ".txt" and len(counts) * 2 > len(there)):
            continue
        beside.labels = to_labels(values, f"*{kind}")
        beside.used |= set(there)
        evidence = f"a file of the stem of {len(there):,} of {len(names):,}"
        beside.roles.append(Role(f"*{kind}", "label table", len(there), evidence))
        beside.notes += [f"labels are those of {len(there):,} {kind} files beside the examples", *beside.labels.notes]
        return


def _key(name: str) -> str:
    """Return the name up to the first dot of its last part, as in WebDataset."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _sidecar_label(content: bytes, kind: str) -> Any:
    text = content[:LARGEST_TABLE].decode("utf-8", "replace").strip()
    if kind == ".json":
        try:
            value = json.loads(text)
        except ValueError:
            return None
        if isinstance(value, Mapping):
            return next((value[key] for key in LABEL_KEYS if key in value), None)
        return value if isinstance(value, int | str) else None
    if kind == ".xml":
        objects = set(re.findall(r"<name>\s*([^<]*?)\s*</name>", text))
        return objects.pop() if len(objects) == 1 else None
    return text if len(text) <= LONGEST_LABEL and "\n" not in text else None
