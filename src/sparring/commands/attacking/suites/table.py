"""The suite of tables: a greedy search that changes few columns of a row, within what may change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from sparring.attacks.greedy import greedy
from sparring.attacks.result import Result
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.threat_for import constraints_for, threat_for
from sparring.attacks.validation import check_inputs
from sparring.commands.attacking.alternatives import table_alternatives
from sparring.commands.attacking.resumable import joined
from sparring.commands.attacking.suites.base import (
    AttackContext,
    Outcome,
    Suite,
    check_clean,
    predicted,
    require_correct,
    robust_by_class,
)
from sparring.commands.attacking.try_target import adapted, explain_foreign_errors, try_out
from sparring.engine.data_spec import TableSpec
from sparring.engine.errors import UsageError
from sparring.report.format import csv_text
from sparring.report.table_attack_section import ChangedRow, TableAttackDetails, table_sections
from sparring.stats.proportion import Proportion

STEPS = 100
"""Largest number of changes per row, where --max-columns does not limit it."""
CHUNK_ROWS = 250
INPUTS = "rows float32 [B, F] in the units of the file, categories as one-hot groups"
ALL_MOVE = "all columns may change: --move names those that an attacker can change, or --immutable the others"


class TableAttack:
    """A greedy attack on a subset of table rows."""

    def __init__(self, context: AttackContext) -> None:
        flags, subset, self.context = context.flags.table, context.subset, context
        if flags.max_columns is not None and flags.max_columns < 1:
            raise UsageError(f"--max-columns must be 1 or more, not {flags.max_columns}")
        self.spec: TableSpec = subset.spec
        self.constraints = constraints_for(
            self.spec,
            movable=flags.move or None,
            immutable=flags.immutable,
            increasing=flags.increasing,
            decreasing=flags.decreasing,
        )
        self.may_change = _may_change(self.spec, self.constraints)
        self.x = self.spec.encode(subset.rows, context.hardware.device)
        self.threat = threat_for(self.spec, self.x, constraints=self.constraints)
        self.target = adapted(context.target, self.x, subset.classes)
        self.logits = try_out(self.target, self.x, subset.classes, INPUTS)
        self.notes = [*self.target.notes, *([] if flags.move or flags.immutable else [ALL_MOVE])]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that another report must share to be comparable."""
        flags = self.context.flags.table
        return {
            "may_change": self.may_change,
            "increasing": _in_order(self.may_change, flags.increasing),
            "decreasing": _in_order(self.may_change, flags.decreasing),
            "max_columns": flags.max_columns,
        }

    def run(self) -> Outcome:
        """Run or resume the attack on the rows that are classified correctly."""
        subset, model = self.context.subset, self.target.model
        with explain_foreign_errors(self.target, INPUTS):
            check_inputs(model, self.x[:2], subset.y[:2], self.threat)
            correct = predicted(model, self.x) == subset.y
            x = self.spec.encode(subset.checked_rows, self.x.device)
            findings = check_clean(self.context, self.target, x, table_alternatives(x))
            idx = require_correct(self.target, correct, subset.description, findings)
            result = self._search(idx)
            rows = self._changed_rows(idx, result)
        details = self._details(self.x[idx], result)
        robust = correct.clone()
        robust[idx[result.success]] = False
        target = self.spec.target or "class"
        lines = [
            (row.name, state, prediction, *values, row.label)
            for row in rows
            for state, prediction, values in (("before", row.label, row.before), ("after", row.prediction, row.after))
        ]
        return Outcome(
            attack="greedy search over columns",
            clean=Proportion.count(int(correct.sum()), len(correct)),
            robust=Proportion.count(int(robust.sum()), len(robust)),
            details=details,
            sections=lambda report: table_sections(details, rows),
            by_class=robust_by_class(subset.labels, robust.tolist()),
            files={"changes.csv": csv_text(("row", "state", "prediction", *details.columns, target), lines)},
            findings=findings,
            notes=self.notes,
        )

    def _search(self, idx: Tensor) -> Result:
        context, x, y = self.context, self.x[idx], self.context.subset.y[idx]
        steps = context.flags.table.max_columns or STEPS

        def attack(number: int, chunk: Tensor) -> Result:
            return greedy(self.target.model, x[chunk], y[chunk], self.threat, steps=steps, seed=context.seed)

        parts = context.parts(Result, {**self.settings, "steps": steps, "rows": idx.tolist()}, self.logits)
        on_progress = context.progress.callback("attacking", "rows")
        return joined(parts.map(attack, len(x), CHUNK_ROWS, x.device, on_progress, "rows"))

    def _details(self, x: Tensor, result: Result) -> TableAttackDetails:
        success = Proportion.count(int(result.success.sum()), len(x))
        differs = self.spec.differs(result.adv, x)[result.success]
        counts = {c.name: count for c, count in zip(self.spec.columns, differs.sum(0).tolist(), strict=True) if count}
        return TableAttackDetails(
            success,
            float(differs.sum(1).double().mean()) if len(differs) else None,
            dict(sorted(counts.items(), key=lambda pair: -pair[1])),
            self.may_change,
            {column.name: list(column.categories) for column in self.spec.columns},
            float(result.queries.double().mean()),
        )

    def _changed_rows(self, idx: Tensor, result: Result) -> list[ChangedRow]:
        """Return the rows that broke, before and after."""
        subset, broken = self.context.subset, result.success
        if not broken.any():
            return []
        predictions = predicted(self.target.model, result.adv[broken]).tolist()
        adv = result.adv[broken].cpu().numpy()
        return [
            ChangedRow(
                subset.names[row],
                subset.labels[row],
                subset.classes[number],
                self._values(subset.rows[row]),
                self._values(after),
            )
            for row, number, after in zip(idx[broken].tolist(), predictions, adv, strict=True)
        ]

    def _values(self, row: Any) -> list[str]:
        return [_as_text(value) for value in self.spec.to_dict(row).values()]


TABLES = Suite("rows", 1000, TableAttack)


def _may_change(spec: TableSpec, constraints: TabularConstraints) -> list[str]:
    """Return the names of the columns that are not fixed; raises UsageError where there are none."""
    names = [column.name for column in spec.columns if not set(column.indices) & set(constraints.immutable)]
    if not names:
        raise UsageError(
            "no column may change: all are immutable, or have one value in all rows. --move names those that can"
        )
    return names


def _in_order(columns: Sequence[str], names: Collection[str]) -> list[str]:
    return [name for name in columns if name in names]


def _as_text(value: str | float) -> str:
    """Return a number with as few digits as float32 needs."""
    return value if isinstance(value, str) else np.format_float_positional(np.float32(value), trim="-")
