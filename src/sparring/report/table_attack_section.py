"""How few columns turn a table's classifier, as sections of the report: shares, the columns, rows before and after, settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sparring.report.html import Section, listed, noted, protocol_table
from sparring.report.svg_plots import bar, percent, shortened, text
from sparring.report.table_attack import TableAttack, Turned
from sparring.stats.proportion import Proportion

BARS = 30
"""Columns whose changes are counted on the page, at most; report.json holds all."""
SHOWN, ACROSS, LETTERS = 8, 10, 40
"""Rows shown before and after, so many of their columns, and so many letters of a word."""


def tabled_sections(found: TableAttack, turned: Sequence[Turned]) -> list[Section]:
    """What the page tells; `turned` are all rows that broke, of which it shows some."""
    return [
        Section("How many rows turn", _words(found) + noted([*found.failures, *found.notes]) + _classes(found)),
        Section("Which columns do it", _columns(found)),
        Section("Rows before and after", _rows(found, turned)),
        Section("Protocol", protocol_table(_settings(found))),
    ]


def _words(found: TableAttack) -> str:
    clean = Proportion.count(round(found.clean_accuracy * found.count), found.count)
    turned = Proportion.count(found.broken, found.attacked)
    by = "none" if found.changed_columns is None else f"{found.changed_columns:.2f}"
    figures = {
        "Right without an attack": _with_interval(clean),
        "Turned, of what it gets right": _with_interval(turned),
        "Columns changed in a row that turned": by,
    }
    words = (
        f"It tells {found.label} right in {clean.hits:,} of {clean.total:,} {found.tested_on}. Of these {turned.total:,} were attacked, "
        f"and {turned.hits:,} got another answer by changes of only those columns that may change, within what the file holds "
        "of them (in brackets 95 % intervals). The search changes one column after the other, each time the best: another search "
        "may turn more."
    )
    return f"{listed(figures)}<p>{text(words)}</p>"


def _with_interval(share: Proportion) -> str:
    return f"{percent(share.value)} ({percent(share.low)} to {percent(share.high)})"


def _classes(found: TableAttack) -> str:
    """A line for each class that was attacked; 0 to 100 % for all of them."""
    head = f"<th>{text(found.label)}</th><th>attacked</th><th>turned</th><th>share</th><th>95 % interval</th>"
    rows = ""
    for name, (broken, of) in found.by_class.items():
        if not of:
            continue
        share = Proportion.count(broken, of)
        rows += (
            f"<tr><th>{text(name)}</th><td>{of:,}</td><td>{broken:,}</td><td>{percent(share.value)}</td>"
            f"<td>{percent(share.low)} to {percent(share.high)}</td>{_bar(share.value, share.low, share.high)}</tr>"
        )
    return _table(head, rows)


def _columns(found: TableAttack) -> str:
    if not found.broken:
        return f"<p>None: no row turned. These may change: {text(', '.join(found.may_change))}.</p>"
    rows = "".join(
        f"<tr><th>{text(name)}</th><td>{count:,}</td><td>{percent(count / found.broken)}</td>{_bar(count / found.broken)}</tr>"
        for name, count in list(found.changed.items())[:BARS]
    )
    told = [f"{left:,} more columns are in report.json."] if (left := len(found.changed) - BARS) > 0 else []
    if never := [name for name in found.may_change if name not in found.changed]:
        some = ", ".join(never[:BARS]) + (f" and {len(never) - BARS:,} more" if len(never) > BARS else "")
        told.append(f"May change too, but never did: {some}.")
    words = "In how many of the rows that turned each column changed; several may have changed in one."
    after = f'<p class="quiet">{text(" ".join(told))}</p>' if told else ""
    head = "<th>column</th><th>rows</th><th>share</th>"
    return f"<p>{words}</p>{_table(head, rows)}{after}"


def _table(head: str, rows: str) -> str:
    """With a drawing at the end of each row."""
    return (
        f'<div class="scroll"><table class="bars"><thead><tr>{head}<th class="drawing"></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _bar(share: float, low: float | None = None, high: float | None = None) -> str:
    return f'<td class="drawing">{bar(share, low, high)}</td>'


def _rows(found: TableAttack, turned: Sequence[Turned]) -> str:
    """Some rows from all over the file, the columns that changed in them first."""
    some = [turned[k * len(turned) // min(SHOWN, len(turned))] for k in range(min(SHOWN, len(turned)))]
    if not some:
        return ""
    names = list(found.columns)
    counts = Counter(k for row in some for k in range(len(names)) if row.before[k] != row.after[k])
    changed = sorted(counts, key=lambda k: (-counts[k], k))
    across = [*changed, *(k for k in range(len(names)) if k not in counts)][:ACROSS]
    words = (
        f"{len(some)} of the {len(turned):,} rows that turned, from all over the file: what changed is marked, with what it became "
        "below it; columns that stayed come last. changes.csv holds all rows"
    )
    more = f", and {len(names) - len(across):,} more columns" if len(names) > len(across) else ""
    head = f"<th>line</th><th>{text(found.label)}, answer</th>" + "".join(f"<th>{text(names[k])}</th>" for k in across)
    rows = "".join(
        f"<tr><th>{row.line}</th>{_cell(row.true, row.answer)}"
        f"{''.join(_cell(row.before[k], row.after[k]) for k in across)}</tr>"
        for row in some
    )
    table = (
        f'<div class="scroll"><table class="turned"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
    return f"<p>{text(words + more)}.</p>{table}"


def _cell(before: str, after: str) -> str:
    """What changed is told by an arrow and by weight, too, for those who see no colour, or hear the page."""
    was, became = (text(shortened(value, LETTERS)) for value in (before, after))
    return (
        f"<td>{was}</td>" if before == after else f'<td class="changed"><del>{was}</del><br><ins>→ {became}</ins></td>'
    )


def _settings(found: TableAttack) -> dict[str, object]:
    return {
        "table": found.table, "label": found.label, "model": found.model, "tested on": f"{found.count:,} {found.tested_on}",
        "attacked": f"{found.attacked:,} that it gets right", "may change": found.may_change, "only grow": found.increasing,
        "only shrink": found.decreasing, "columns at most": "as many as it takes" if found.most is None else found.most,
        "passes a row": f"{found.queries:,.0f}", "seed": found.seed,
    }  # fmt: skip
