"""Results of an attack on table rows, and the sections of the page: changed columns, rows before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparring.report.blocks import Cell, Facts, Table, Text, changed_cell
from sparring.report.format import percent, proportion_text
from sparring.report.page import Section
from sparring.report.svg_plots import bar
from sparring.stats.proportion import Proportion

PAGE_COLUMNS = 30
"""Columns whose changes are counted on the page; report.json has all."""
PAGE_ROWS, PAGE_CELLS = 8, 10
"""Rows before and after on the page, and columns of each."""


@dataclass(frozen=True)
class TableAttackDetails:
    """Results that only tables have."""

    success: Proportion
    """Attacked rows, all of them classified correctly before, that are misclassified after."""
    changed_columns: float | None
    """Mean number of changed columns of the broken rows; None where none broke."""
    changed: dict[str, int]
    """Column -> broken rows in which it changed, the most frequent first."""
    may_change: list[str]
    """Columns that the attack could change."""
    columns: dict[str, list[str]]
    """Column -> its categories, one entry of the model's input each; [] for a number, which is one entry."""
    queries: float
    """Mean number of forward passes per row."""

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        return asdict(self)

    def to_text(self) -> list[str]:
        """Return lines on the changed columns."""
        by = "" if self.changed_columns is None else f", {self.changed_columns:.2f} columns changed on average"
        lines = [f"success  {self.success} correctly classified rows{by}"]
        if self.changed:
            lines.append(f"changed  {', '.join(f'{name} {count:,}' for name, count in self.changed.items())}")
        return lines


@dataclass(frozen=True)
class ChangedRow:
    """A broken row; values as in the file, in the order of its columns."""

    name: str
    """Name of the row in the source."""
    label: str
    """Class of the row, which was predicted before."""
    prediction: str
    """Class that is predicted after."""
    before: Sequence[str]
    after: Sequence[str]


def table_sections(details: TableAttackDetails, rows: Sequence[ChangedRow]) -> list[Section]:
    """Return the sections; `rows` are all broken rows, some of which are shown."""
    by = "none" if details.changed_columns is None else f"{details.changed_columns:.2f}"
    facts = {
        "Broken, of the correctly classified rows": proportion_text(details.success),
        "Columns changed on average": by,
    }
    message = (
        "Only the columns that may change are changed, within the values of the data. The search changes one column "
        f"after the other, each time the best; it needed {details.queries:,.0f} passes per row."
    )
    return [
        Section("Changed columns", Facts(facts), Text(message), *_columns(details)),
        Section("Rows before and after", *_rows(list(details.columns), rows)),
    ]


def _columns(details: TableAttackDetails) -> list[Table | Text]:
    broken = round(details.success.hits)
    if not broken:
        return [Text(f"No row broke. Columns that may change: {', '.join(details.may_change)}.")]
    rows = [
        (name, f"{count:,}", percent(count / broken), Cell(bar(count / broken), "drawing"))
        for name, count in list(details.changed.items())[:PAGE_COLUMNS]
    ]
    remarks = (
        [f"{more:,} more columns are in report.json."] if (more := len(details.changed) - PAGE_COLUMNS) > 0 else []
    )
    if unused := [name for name in details.may_change if name not in details.changed]:
        rest = f" and {len(unused) - PAGE_COLUMNS:,} more" if len(unused) > PAGE_COLUMNS else ""
        remarks.append(f"May change, but never did: {', '.join(unused[:PAGE_COLUMNS])}{rest}.")
    return [
        Text("In how many of the broken rows each column changed; several may have changed in one."),
        Table(("column", "rows", "proportion", Cell("", "drawing")), rows, "bars", named_rows=True),
        Text(" ".join(remarks), quiet=True),
    ]


def _rows(columns: Sequence[str], rows: Sequence[ChangedRow]) -> list[Table | Text]:
    """Show some rows from all over the source, the columns that changed in them first."""
    count = min(PAGE_ROWS, len(rows))
    if not count:
        return []
    shown = [rows[k * len(rows) // count] for k in range(count)]
    changes = Counter(k for row in shown for k in range(len(columns)) if row.before[k] != row.after[k])
    changed = sorted(changes, key=lambda k: (-changes[k], k))
    order = [*changed, *(k for k in range(len(columns)) if k not in changes)][:PAGE_CELLS]
    hidden = len(columns) - len(order)
    message = (
        f"{count} of the {len(rows):,} broken rows, from all over the data. Changes are marked, with the new value "
        "below the old one; unchanged columns come last. changes.csv has all rows"
        + (f", and {hidden:,} more columns." if hidden else ".")
    )
    cells = [
        (row.name, changed_cell(row.label, row.prediction), *(changed_cell(row.before[k], row.after[k]) for k in order))
        for row in shown
    ]
    head = ("row", "class, prediction", *(columns[k] for k in order))
    return [Text(message), Table(head, cells, "changes", named_rows=True)]
