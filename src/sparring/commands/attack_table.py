"""`sparring attack-table`: a CSV file -> how few of its columns must change, within what may change, to turn a classifier's answers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.attacks.greedy import greedy
from sparring.attacks.result import Result
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.commands.attacking.ci_gate import CiGate
from sparring.commands.attacking.load_target import Target, explain_foreign_errors, in_its_precision, load_target
from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import TrainRequest
from sparring.data.tabular import Table, read_table
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError, UsageError
from sparring.recipes.supervised.tabular_mlp import fit_table
from sparring.report.page import Page, page_html
from sparring.report.table_attack import TableAttack, Turned
from sparring.report.table_attack_section import tabled_sections
from sparring.stats.proportion import Proportion

ROWS = 1000
"""That are attacked, at most, unless told."""
HELD = 0.2
"""Share of the rows that a network of our own is not trained on, where there is no other file to test it."""
TRAINED = 400_000
"""Rows that a network of our own is trained on, each many times."""
STEPS = 100
"""Changes of the search, where columns are not counted."""
AT_ONCE = 4096
REASONS = 5
"""For rows that are left out, told at most."""
ALL = "all columns may change: --move names those that an attacker can change, or --immutable the others"
GIVEN = "rows float32 [B, F], a word as a one and noughts, as sparring.data.tabular.read_table codes them"


def attack_table(
    table: str | Path,
    label: str,
    *,
    move: Collection[str] = (),
    immutable: Collection[str] = (),
    increasing: Collection[str] = (),
    decreasing: Collection[str] = (),
    most: int | None = None,
    rows: int = ROWS,
    test: str | Path | None = None,
    model: str | None = None,
    names: Sequence[str] = (),
    drop: Collection[str] = (),
    words: Collection[str] = (),
    delimiter: str = ",",
    seed: int = 0,
    out: str | Path | None = None,
    baseline: str | Path | None = None,
    fail_below: float | None = None,
    progress: Progress | None = None,
) -> TableAttack:
    """Attack a classifier of the column `label` of a CSV file, on rows that it gets right, by changing few columns of each.

    Only the columns of `move` change, where it is given, and those of `increasing` and `decreasing`, one way; else all but
    those of `immutable`; at most `most` in each row. Whole numbers stay whole, words stay words of the file, numbers stay
    between its lowest and its highest. `model` is `module:callable` or a file, as for `attack`, from rows float32 `[B, F]` as
    `read_table` codes them to logits; without one a small network is trained on the file, less a fifth of the rows unless
    there is a `test` file. `names`, `drop`, `words` and `delimiter` are those of `read_table`. `failures` of the result
    tell where the share of attacked rows that stand, 1 - `success`, is below `fail_below`, or below the interval of `baseline`,
    an earlier report.json. Writes report.html, report.json and changes.csv, the rows that broke before and after. Raises
    SparringError, with the way out, on all that can go wrong.
    """
    TrainRequest(seed=seed)
    for flag, value in {"rows": rows, "most": most}.items():
        if value is not None and value < 1:
            raise UsageError(f"--{flag} must be 1 or more, not {value}")
    required = CiGate.read(fail_below, baseline, "attack-table", lambda told: (1 - told["high"], 1 - told["low"]))
    progress = progress or Progress()
    read = partial(read_table, target=label, names=names or None, drop=drop, words=words, delimiter=delimiter)
    whole = read(table)
    tested = whole if test is None else read(test, like=whole)
    columns = tested.constraints(
        movable=move or None, immutable=immutable, increasing=increasing, decreasing=decreasing
    )
    may_change = _may_change(tested, columns)
    settings: dict[str, Any] = {
        "label": label, "may_change": may_change, "increasing": _in_order(may_change, increasing),
        "decreasing": _in_order(may_change, decreasing), "most": most,
    }  # fmt: skip
    required.check_comparable(settings)
    notes = [*_left_out(table, whole), *([] if test is None else _left_out(test, tested))]
    if not (move or immutable):
        notes.append(ALL)
    chosen = _trained(whole, tested, test, seed, progress) if model is None else _own(model, tested, test)
    progress.info(f"attacking {chosen.name} ...")
    with nullcontext() if model is None else explain_foreign_errors(Target(model, chosen.model), GIVEN):
        right, attacked, result = _attacked(chosen, columns, rows, STEPS if most is None else most, seed)
    folder = Path(out) if out is not None else Path("attack-" + re.sub(r"[^\w.]+", "-", Path(table).stem))
    told = _figures(attacked, result)
    standing = (told["attacked"] - told["broken"]) / told["attacked"]
    found = TableAttack(
        table=str(table), model=chosen.name, tested_on=chosen.on, count=len(right),
        clean_accuracy=float(right.double().mean()), **told, **settings,
        columns={c.name: list(c.categories) for c in tested.columns}, seed=seed, out=str(folder), notes=[*chosen.notes, *notes],
        failures=required.failures("the share of attacked rows that stand (1 - success)", standing),
    )  # fmt: skip
    _write(found, folder, _turned(chosen.model, attacked, result))
    return found


@dataclass(frozen=True, eq=False)
class _Chosen:
    """What is attacked, and on what."""

    model: Model
    name: str
    tested: Table
    on: str
    notes: tuple[str, ...] = ()


def _trained(whole: Table, tested: Table, test: str | Path | None, seed: int, progress: Progress) -> _Chosen:
    """A network trained on `whole`, or on four fifths of it where that is tested too."""
    train, on = whole, f"rows of {test}"
    if test is None:
        order = torch.randperm(len(whole.x), generator=torch.Generator().manual_seed(seed))
        kept = max(1, round(HELD * len(order)))
        train, tested, on = whole.take(order[kept:].sort()[0]), whole.take(order[:kept].sort()[0]), "held-out rows"
    progress.info(f"training a network on {len(train.x):,} rows ...")
    return _Chosen(fit_table(train, rows=TRAINED, seed=seed), f"a network trained on {len(train.x):,} rows", tested, on)


def _own(name: str, tested: Table, test: str | Path | None) -> _Chosen:
    """A model of others."""
    attacked = load_target(name)
    if attacked.classifier is not None:
        raise UsageError(f"{name} is a run on images: --model is module:callable, or a file, of a table's rows")
    attacked = in_its_precision(attacked, tested.x)
    return _Chosen(attacked.model, name, tested, "rows" if test is None else f"rows of {test}", attacked.notes)


def _attacked(
    chosen: _Chosen, columns: TabularConstraints, rows: int, steps: int, seed: int
) -> tuple[Tensor, Table, Result]:
    """Which rows are right, bool `[N]`; those of them that were attacked, and what became of them."""
    table = chosen.tested
    threat = table.threat("L0", float(table.x.shape[1]), columns)
    check_inputs(chosen.model, table.x[:2], table.y[:2], threat)
    with torch.no_grad(), frozen(chosen.model, seed):
        right = torch.cat([chosen.model(part).argmax(1) for part in torch.split(table.x, AT_ONCE)]) == table.y
    some = right.nonzero().squeeze(1)
    if not len(some):
        raise SparringError(f"{chosen.name} gets none of {len(right):,} {chosen.on} right: there is nothing to attack")
    some = some[torch.randperm(len(some), generator=torch.Generator().manual_seed(seed))[:rows].sort()[0]]
    attacked = table.take(some)
    return right, attacked, greedy(chosen.model, attacked.x, attacked.y, threat, steps=steps, seed=seed)


def _figures(attacked: Table, result: Result) -> dict[str, Any]:
    """What broke, by how many columns, and by which."""
    broke = result.success
    share = Proportion.count(int(broke.sum()), len(broke))
    differs = attacked.differs(result.adv, attacked.x)[broke]
    counts = {c.name: count for c, count in zip(attacked.columns, differs.sum(0).tolist(), strict=True) if count}
    of_class = [(name, attacked.y == k) for k, name in enumerate(attacked.classes)]
    return {
        "attacked": share.total, "broken": share.hits, "success": share.value, "low": share.low, "high": share.high,
        "changed_columns": float(differs.sum(1).double().mean()) if share.hits else None,
        "changed": dict(sorted(counts.items(), key=lambda pair: -pair[1])),
        "by_class": {name: (int(broke[rows].sum()), int(rows.sum())) for name, rows in of_class},
        "queries": float(result.queries.double().mean()),
    }  # fmt: skip


def _may_change(table: Table, columns: TabularConstraints) -> list[str]:
    """The columns that are not held; raises UsageError where that is none."""
    found = [column.name for column in table.columns if not set(column.indices) & set(columns.immutable)]
    if not found:
        raise UsageError(
            "no column may change: all are immutable, or the same in all rows. --move names those that can"
        )
    return found


def _in_order(columns: Sequence[str], named: Collection[str]) -> list[str]:
    return [name for name in columns if name in named]


def _left_out(path: str | Path, table: Table) -> list[str]:
    """Why rows are not used, a line each."""
    reasons = sorted(table.skipped.items(), key=lambda pair: -len(pair[1]))
    told = [
        f"{path}: {len(lines):,} row{'s' * (len(lines) > 1)} left out: {why} (line {lines[0]}{', ...' * (len(lines) > 1)})"
        for why, lines in reasons[:REASONS]
    ]
    more = sum(len(lines) for _, lines in reasons[REASONS:])
    return [*told, *([f"{path}: {more:,} rows left out for other reasons"] if more else [])]


def _turned(model: Model, attacked: Table, result: Result) -> list[Turned]:
    """The rows that broke, each as it was and as it became."""
    rows = result.success.nonzero().squeeze(1)
    if not len(rows):
        return []
    with torch.no_grad(), frozen(model, seed=0):
        said = [
            attacked.classes[k]
            for part in torch.split(result.adv[rows], AT_ONCE)
            for k in model(part).argmax(1).tolist()
        ]

    def values(x: Tensor) -> list[str]:
        return [_as_text(value) for value in attacked.told(x).values()]

    return [
        Turned(
            attacked.lines[row], attacked.classes[int(attacked.y[row])], answer, values(attacked.x[row]),
            values(result.adv[row]),
        )
        for row, answer in zip(rows.tolist(), said, strict=True)
    ]  # fmt: skip


def _changes(found: TableAttack, turned: Sequence[Turned]) -> str:
    """A CSV of the rows that broke, before and after."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["line", "state", "answer", *found.columns, found.label])
    for row in turned:
        writer.writerow([row.line, "before", row.true, *row.before, row.true])
        writer.writerow([row.line, "after", row.answer, *row.after, row.true])
    return text.getvalue()


def _write(found: TableAttack, folder: Path, turned: Sequence[Turned]) -> None:
    about = {"table": found.table, "tells": found.label, "model": found.model, "seed": str(found.seed)}
    sections = tabled_sections(found, turned)
    title = f"{Path(found.table).name} under attack"
    page = Page(title, about, sections)
    write(folder / "changes.csv", _changes(found, turned))
    write(folder / "report.html", page_html(page))
    write(folder / "report.json", json.dumps(asdict(found), indent=2) + "\n")


def _as_text(value: str | float) -> str:
    """A number as short as float32 allows."""
    return value if isinstance(value, str) else np.format_float_positional(np.float32(value), trim="-")


def to_text(found: TableAttack) -> str:
    """The lines that are printed."""
    by = f", by {found.changed_columns:.2f} columns on the average" if found.changed_columns is not None else ""
    lines = [
        f"clean    {found.clean_accuracy:.2%} of {found.count:,} {found.tested_on}, {found.model}",
        f"broken   {found.success:.2%} (95 % interval {found.low:.2%} to {found.high:.2%}) of {found.attacked:,} that it gets right{by}",
        *(
            f"         {broken:,} of {of:,} with {found.label} = {name}"
            for name, (broken, of) in found.by_class.items()
            if of
        ),
    ]
    if found.changed:
        lines.append(f"changed  {', '.join(f'{name} {count:,}' for name, count in found.changed.items())}")
    lines += [f"note     {note}" for note in found.notes]
    lines += [f"rows     {Path(found.out) / 'changes.csv'}", f"report   {Path(found.out) / 'report.html'}"]
    return "\n".join(lines)
