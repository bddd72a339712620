"""Conditions on samples of tables: values of some columns, and bounds that every row meets."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from sparring.commands.sampling.rejection import Bound, rejecting
from sparring.data.tables.cells import to_number
from sparring.data.tables.dates import to_days
from sparring.data.tables.number_forms import parse
from sparring.data.tables.profile import is_gap
from sparring.engine.data_spec import Column, TableSpec
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.table_form import RARE
from sparring.models.generator import GeneratorModel
from sparring.nets.leaf_tables import LeafTables

CONDITION = re.compile(r"\s*(<=|>=|!=|==|=|<|>)\s*")
BOUNDS = "<=", ">=", "<", ">"


class Condition(NamedTuple):
    """A column, a relation and a value, as in `hours <= 99`."""

    column: str
    relation: str
    """One of = != <= >= < >."""
    value: str


def parse_conditions(text: str, spec: TableSpec, flag: str) -> list[Condition]:
    """Return the conditions of `sex=Female,age=40`; quotes stand around what holds a comma.

    Raises UsageError on an unknown column, or what is no condition.
    """
    (parts,) = csv.reader([text], skipinitialspace=True)
    return [parse_condition(part, spec, flag) for part in parts if part.strip()]


def parse_condition(text: str, spec: TableSpec, flag: str) -> Condition:
    """Return one condition; the name of the column is the longest that fits."""
    names = [column.name for column in spec.columns]
    for name in sorted(names, key=len, reverse=True):
        rest = text.strip().removeprefix(name)
        if rest != text.strip() and (match := CONDITION.match(rest)):
            relation = "=" if match[1] == "==" else match[1]
            return Condition(name, relation, rest[match.end() :].strip())
    match = CONDITION.search(text)
    if match is None:
        raise UsageError(f"{flag} '{text}' is no condition, and no file: write COLUMN=VALUE, or COLUMN<=NUMBER")
    unlearnt = [column.name for column in spec.written if column.role != "learnt"]
    name = text[: match.start()].strip()
    if name in unlearnt:
        raise UsageError(f"{flag} {text}: column '{name}' is not learnt, so it cannot be a condition")
    raise UsageError(f"{flag} {text}: there is no column '{name}': {did_you_mean(name, names)}")


def with_conditions(model: GeneratorModel, conditions: Sequence[Condition], flag: str) -> GeneratorModel:
    """Return the model of the rows that meet all conditions; raise UsageError where there are none.

    Leaves of forests are conditioned exactly, by Bayes' rule. Of other generators of whole tables rows are rejected.
    """
    net = model.generator
    if not model.spec.is_whole:
        raise UsageError(f"{flag}: {model.recipe.name} cannot be conditioned on columns; --recipe arf can")
    text = ", ".join(f"{c.column}{c.relation}{c.value}" for c in conditions)
    if not isinstance(net, LeafTables):
        return rejecting(model, [bound_of(c, model.spec, flag) for c in conditions], f"{flag} {text}")
    low, high = net.low.clone(), net.high.clone()
    weights = torch.ones_like(low)
    for condition in conditions:
        for narrower in _of_learnt(condition, model.spec):
            _restrict(narrower, model.spec, net, weights, low, high, flag)
    given = net.restricted(weights, low, high)
    if not bool(given.leaf_masses.sum() > 0):
        raise UsageError(f"{flag} {text}: no training row is near these values: drop or widen a condition")
    return replace(model, generator=given)


def bound_of(condition: Condition, spec: TableSpec, flag: str) -> Bound:
    """Return a condition as what generated cells are compared with."""
    k = next(k for k, column in enumerate(spec.columns) if column.name == condition.column)
    column = spec.columns[k]
    try:
        words = _allowed_words(condition, column) > 0 if column.categories else None
        gap = words is not None or is_gap(condition.value)
        value = np.nan if gap else float(np.float32(number_in(column, condition.value)))  # as rows hold it
    except ValueError as error:
        raise UsageError(f"{flag} {condition.column}{condition.relation}{condition.value}: {error}") from None
    return Bound(k, condition.relation, value, words, column.step)


def _of_learnt(condition: Condition, spec: TableSpec) -> list[Condition]:
    """Return a condition on what is learnt: of a rebuilt column, those on the words of its source that are left out."""
    dependence = next((d for d in spec.dependences if d.column == condition.column), None)
    if dependence is None:
        return [condition]
    columns = {column.name: column for column in spec.columns}
    source, column = columns[dependence.source], columns[dependence.column]
    values = [np.nan if value is None else value for value in dependence.values]
    kept = allowed(condition, column, np.array(values), np.array(values))[0] > 0
    return [Condition(source.name, "!=", word) for word, k in zip(source.categories, kept, strict=True) if not k]


def _restrict(
    condition: Condition, spec: TableSpec, net: LeafTables, weights: torch.Tensor, low: torch.Tensor,
    high: torch.Tensor, flag: str,
) -> None:  # fmt: skip
    """Narrow the codes of one column, in place."""
    k = next(k for k, column in enumerate(spec.columns) if column.name == condition.column)
    of_column = slice(int(net.first[k]), int(net.first[k + 1]))
    try:
        weight, a, b = allowed(condition, spec.columns[k], low[of_column].numpy(), high[of_column].numpy())
    except ValueError as error:
        raise UsageError(f"{flag} {condition.column}{condition.relation}{condition.value}: {error}") from None
    weights[of_column] *= torch.from_numpy(weight)
    low[of_column], high[of_column] = torch.from_numpy(a), torch.from_numpy(b)


def allowed(
    condition: Condition, column: Column, low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the weight of each code of a column, and what is left of its numbers.

    The weight of a range is the fraction of it that is left, or its density where one value is. Raises ValueError on
    a value that the column has not.
    """
    if column.categories:
        return _allowed_words(condition, column), low, high
    if is_gap(condition.value):
        gap = np.isnan(low)
        return (gap if condition.relation == "=" else ~gap).astype(float), low, high
    value = number_in(column, condition.value)
    step = column.step
    size = high - low + step
    if condition.relation in ("=", "!="):
        inside = (low <= value + step / 2) & (value - step / 2 <= high)
        points = inside & (low == high)
        inside = points if points.any() else inside
        if condition.relation == "!=":  # a range loses one of its values, which has no mass where they are continuous
            return np.where(points, 0.0, 1.0), low, high
        if not inside.any():
            distance = np.where(value < low, low - value, value - high)
            inside = distance == np.nanmin(distance)
        weight = np.where(inside, np.where(points, 1.0, 1 / np.maximum(size, 1e-12)), 0.0)
        return weight, np.where(inside, value, low), np.where(inside, value, high)
    shift = step * (condition.relation in ("<", ">"))
    a, b = (
        (low, np.minimum(high, value - shift)) if "<" in condition.relation else (np.maximum(low, value + shift), high)
    )
    left = np.clip(b - a + step, 0, None) / np.where(size > 0, size, 1)
    left = np.where(low == high, (a <= b + step / 2).astype(float), left)
    left = np.where(np.isnan(low), 0.0, left)
    return left, np.where(left > 0, a, low), np.where(left > 0, b, high)


def _allowed_words(condition: Condition, column: Column) -> np.ndarray[Any, Any]:
    words, gap = column.categories, column.form.gap if column.form else None
    if condition.relation in BOUNDS:
        raise ValueError(f"column '{column.name}' holds words: write {column.name}=WORD")
    word = condition.value
    if word not in words and is_gap(word) and gap is not None:
        word = gap
    if word not in words or word == RARE:
        raise ValueError(did_you_mean(word, [w for w in words if w != RARE]))
    same = np.array([w == word for w in words])
    return (same if condition.relation == "=" else ~same).astype(float)


def number_in(column: Column, text: str) -> float:
    """Return the number of a cell as the column has it; raise ValueError where there is none."""
    form, mark = column.form, column.decimal_mark
    if form and form.date:
        number = to_days(text, [form.date, "%Y-%m-%d"])
        wanted = f"a date as {form.date}"
    else:
        number, wanted = to_number(text), "a number"
        if number is None and mark is not None:
            number = parse(text, mark)
    if number is None:
        raise ValueError(f"'{text}' is not {wanted}")
    return number
