"""A table with a number, words, a whole number and a column that follows from the words, for tests of generators."""

from __future__ import annotations

from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.table_form import CellForm, Dependence, FileColumn

COLUMNS = (
    Column("x", (0,), (), False, 0.0, 0.0, None, CellForm(2, gap="NA")),
    Column("word", (1, 2, 3), ("a", "b", "c"), False, 0.0, 1.0, None, CellForm()),
    Column("n", (4,), (), True, 0.0, 0.0, None, CellForm()),
    Column("code", (5,), (), True, 0.0, 0.0, None, CellForm()),
)
SPEC = TableSpec(
    COLUMNS, "word", written=tuple(FileColumn(c.name, "learnt") for c in COLUMNS),
    dependences=(Dependence("code", "word", (10.0, 20.0, 30.0)),),
)  # fmt: skip
