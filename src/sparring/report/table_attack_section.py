"""Sections of the report of an attack on a table: success, changed columns, rows before and after, settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sparring.report.blocks import (
    Block,
    Cell,
    Facts,
    Table,
    Text,
    bar_cell,
    changed_cell,
    notes,
    proportion_cells,
    protocol_table,
)
from sparring.report.format import percent, proportion_text
from sparring.report.page import Section
from sparring.report.svg_plots import bar
from sparring.report.table_attack import TableAttack, Turned
from sparring.stats.proportion import Proportion

BARS = 30
"""Columns whose changes are counted on the page, at most; report.json holds all."""
SHOWN, ACROSS = 8, 10
"""Largest number of rows shown before and after, and of their columns."""


def tabled_sections(found: TableAttack, turned: Sequence[Turned]) -> list[Section]:
    """Show an attack on a table; `turned` are all successfully attacked rows, of which it shows some."""
    return [
        Section("Attack success", *_message(found), notes([*found.failures, *found.notes]), _classes(found)),
        Section("Changed columns", *_columns(found)),
        Section("Rows before and after", *_rows(found, turned)),
        Section("Protocol", protocol_table(_settings(found))),
    ]


def _message(found: TableAttack) -> list[Block]:
    clean = Proportion.count(round(found.clean_accuracy * found.count), found.count)
    turned = Proportion.count(found.broken, found.attacked)
    facts = {
        "Accuracy without an attack": proportion_text(clean),
        "Attack success, of correct rows": proportion_text(turned),
        "Mean number of changed columns": "none" if found.changed_columns is None else f"{found.changed_columns:.2f}",
    }
    message = (
        f"{found.label} is predicted correctly for {clean.hits:,} of {clean.total:,} {found.tested_on}. Of these, "
        f"{turned.total:,} were attacked, and the answer for {turned.hits:,} changed. Only columns that may change are changed, "
        "within the values that the file has of them. The search is greedy, one column at a time: another one may succeed "
        "more often."
    )
    return [Facts(facts), Text(message)]


def _classes(found: TableAttack) -> Table:
    """One row for each class that was attacked; the bars go from 0 to 100 % for all of them."""
    rows = []
    for name, (broken, total) in found.by_class.items():
        if total:
            success = Proportion.count(broken, total)
            rows.append((name, f"{total:,}", f"{broken:,}", *proportion_cells(success), bar_cell(success)))
    head = (found.label, "attacked", "changed", "success", "95 % interval", Cell("", "drawing"))
    return Table(head, rows, "bars", named_rows=True)


def _columns(found: TableAttack) -> list[Block]:
    if not found.broken:
        return [Text(f"None: no answer changed. These columns may change: {', '.join(found.may_change)}.")]
    rows = [
        (name, f"{count:,}", percent(count / found.broken), Cell(bar(count / found.broken), "drawing"))
        for name, count in list(found.changed.items())[:BARS]
    ]
    more = [f"{left:,} more columns are in report.json."] if (left := len(found.changed) - BARS) > 0 else []
    if never := [name for name in found.may_change if name not in found.changed]:
        named = ", ".join(never[:BARS]) + (f" and {len(never) - BARS:,} more" if len(never) > BARS else "")
        more.append(f"Columns that may change and never did: {named}.")
    head = ("column", "rows", "fraction", Cell("", "drawing"))
    return [
        Text("Number of successfully attacked rows in which each column changed; several may have changed in one row."),
        Table(head, rows, "bars", named_rows=True),
        Text(" ".join(more), quiet=True),
    ]


def _rows(found: TableAttack, turned: Sequence[Turned]) -> list[Block]:
    """Rows from all over the file, the columns that changed in them first."""
    shown = [turned[k * len(turned) // min(SHOWN, len(turned))] for k in range(min(SHOWN, len(turned)))]
    if not shown:
        return []
    names = list(found.columns)
    counts = Counter(k for row in shown for k in range(len(names)) if row.before[k] != row.after[k])
    changed = sorted(counts, key=lambda k: (-counts[k], k))
    columns = [*changed, *(k for k in range(len(names)) if k not in counts)][:ACROSS]
    message = (
        f"{len(shown)} of the {len(turned):,} successfully attacked rows, evenly spaced in the file. Changed values are marked, "
        "with the new value below; unchanged columns come last. changes.csv has all rows"
    )
    more = f", and {len(names) - len(columns):,} more columns" if len(names) > len(columns) else ""
    rows = [
        (
            str(row.line),
            changed_cell(row.true, row.answer),
            *(changed_cell(row.before[k], row.after[k]) for k in columns),
        )
        for row in shown
    ]
    head = ("line", f"{found.label}, answer", *(names[k] for k in columns))
    return [Text(f"{message}{more}."), Table(head, rows, "changes", named_rows=True)]


def _settings(found: TableAttack) -> dict[str, object]:
    return {
        "table": found.table, "label": found.label, "model": found.model, "tested on": f"{found.count:,} {found.tested_on}",
        "attacked": f"{found.attacked:,} that it gets right", "may change": found.may_change, "only grow": found.increasing,
        "only shrink": found.decreasing, "columns at most": "as many as it takes" if found.most is None else found.most,
        "passes a row": f"{found.queries:,.0f}", "seed": found.seed,
    }  # fmt: skip
