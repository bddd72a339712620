"""Tables as generators take them: gaps, dates, keys, constants and all columns are kept, whatever their cells hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparring.data.reader_api import ReadOptions
from sparring.data.readers.table import Coder, Tables, default_mark
from sparring.data.tables.dependences import find_dependences
from sparring.data.tables.number_forms import shows_commas
from sparring.data.tables.profile import MIN_COUNT, ColumnProfile, Plan, plan_column
from sparring.data.tables.whole_rows import WholeRowCoder, formats_like
from sparring.engine.data_spec import Column, DataSpec, TableSpec
from sparring.engine.errors import SparringError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparring.data.reader_api import Rows

MAX_COUNTED = 2_000_000
"""Different cells that are counted, over all columns."""
COUNTED = 300, 50_000
"""Limits of the different cells that are counted of one column."""
MAX_POSITIONS = 100_000
"""Largest number of positions in a row."""
MAX_BOUNDS = 1_000_000
"""Rows from which the bounds of numbers are taken."""


@dataclass
class WholeTables(Tables):
    """One table, or several with the same columns, read whole."""

    def plan(self, options: ReadOptions, like: DataSpec | None) -> TableSpec:
        """Count the cells of each column in a first reading, and choose how to read it."""
        self._like = like if isinstance(like, TableSpec) else None
        self._target, self._protected, self._misfits, self._vectors = None, [], {}, None
        drop = {self._column(name, "--drop") for name in options.drop}
        categorical = {self._column(name, "--categorical") for name in options.categorical}
        label = self._column(options.label, "--label") if options.label is not None else self.files[0].label
        names = [name for name in self.header if name not in drop]
        self._check_nested(names)
        if self._like:
            return self._plan_like(self._like)
        profiles = self._profile(names)
        mark, commas = default_mark(self.files[0]), shows_commas(list(p.values()) for p in profiles)
        plans = [plan_column(p, mark, categorical=p.name in categorical, commas=commas) for p in profiles]
        self.notes += [note for plan in plans for note in plan.notes]
        self._formats: dict[str, Sequence[str]] = {plan.written.name: plan.dates for plan in plans}
        columns = _columns(plans)
        if not columns:
            raise UsageError(f"{self.name}: no column is left to learn from: {'; '.join(self.notes) or 'all dropped'}")
        if label is not None and label not in [column.name for column in columns]:
            raise UsageError(f"--label {label} is not learnt, see the notes: {'; '.join(self.notes)}")
        return TableSpec(columns, label or "", left_out=tuple(sorted(drop)), written=tuple(p.written for p in plans))

    def _plan_like(self, like: TableSpec) -> TableSpec:
        """Return the spec that the model was trained with; raise UsageError where a column lacks."""
        if lacking := next((c.name for c in like.columns if c.name not in self.header), None):
            raise UsageError(f"{self.name} has no column '{lacking}', which the model was trained with")
        dated = [column for column in like.columns if column.form and column.form.date]
        profiles = {p.name: p for p in self._profile([column.name for column in dated])}
        self._formats = {c.name: formats_like(c, profiles[c.name].values()) for c in dated}
        return replace(like, classes=(), count=0, unlabelled=0)

    def _profile(self, names: list[str]) -> list[ColumnProfile]:
        """Read all rows once: note their lines, and count the cells of these columns."""
        limit = min(max(MAX_COUNTED // max(len(names), 1), COUNTED[0]), COUNTED[1])
        profiles = [ColumnProfile(name, limit) for name in names]
        counting = [(profile.add, self.header.index(profile.name)) for profile in profiles]
        width = len(self.header)
        for number, file in enumerate(self.files):
            for line, cells in file.rows():
                if len(cells) != width:
                    self._skip(file, line, cells)
                    continue
                for add, position in counting:
                    add(cells[position])
                self.items.file.append(number)
                self.items.line.append(line)
                self.items.label.append(-1)
        if not len(self.items) and not self._skipped_rows:
            raise SparringError(f"{self.name} has a header and no rows: there is nothing to learn from")
        return profiles

    def coder(self, spec: TableSpec) -> Coder:
        """Return what writes the cells of a row as numbers."""
        return WholeRowCoder(spec.columns, self.header, self._formats)

    def finish(self, spec: DataSpec, rows: Rows, used: NDArray[np.int64], train: NDArray[np.int64]) -> DataSpec:
        """Return the spec with the bounds of its numbers, none of them held by one row, and with its dependences."""
        assert isinstance(spec, TableSpec)
        if self._like is not None:
            return spec
        subset = train[:: max(len(train) // MAX_BOUNDS, 1)]
        columns = tuple(column if column.categories else _bounded(column, rows, subset) for column in spec.columns)
        spec = replace(spec, columns=columns)
        dependences = find_dependences(spec, rows, train)
        self.notes += [
            f"column '{d.column}' follows from '{d.source}': it is rebuilt from it, not learnt" for d in dependences
        ]
        return replace(spec, dependences=dependences)


def _columns(plans: list[Plan]) -> tuple[Column, ...]:
    """Return the columns that are learnt, with their positions in a row."""
    columns, first = list[Column](), 0
    for plan in plans:
        form = plan.form
        if form is None:
            continue
        size = len(plan.categories) or 1
        indices = tuple(range(first, first + size))
        whole = not plan.categories and form.step == 1.0
        high = 1.0 if plan.categories else 0.0
        columns.append(Column(plan.written.name, indices, plan.categories, whole, 0.0, high, plan.mark, form))
        first += size
        if first > MAX_POSITIONS:
            raise UsageError(
                f"the table has more than {MAX_POSITIONS:,} columns and words: --drop leaves columns out, the widest "
                "first"
            )
    return tuple(columns)


def _bounded(column: Column, rows: Rows, subset: NDArray[np.int64]) -> Column:
    """Return a column of numbers with the MIN_COUNT-th smallest and largest as its bounds."""
    values = np.asarray(rows[subset, column.indices[0]], np.float64)
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return column
    k = min(MIN_COUNT - 1, (len(values) - 1) // 2)
    return replace(column, low=float(values[k]), high=float(values[-1 - k]))
