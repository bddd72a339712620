"""The group of each example of a container of files: by a pattern of its name, or by a table beside the files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sparring.data.files.archive import Container, suffix
from sparring.data.groups import GroupValues
from sparring.data.label_table import TABLE_SUFFIXES, parse_label_table
from sparring.data.reader_api import ReadOptions
from sparring.data.roles.label_files import LARGEST_TABLE, match_table
from sparring.data.roles.matching import Names
from sparring.engine.errors import SparringError, UsageError

LEAST_MATCH = 0.5
"""Fraction of the names that a pattern has to fit."""


def read_groups(
    container: Container, names: Sequence[str], others: Sequence[str], options: ReadOptions
) -> tuple[list[str | None] | None, set[str]]:
    """Return the group of each of the examples `names`, and the files that were read for it; None: none is protected.

    Raises UsageError where a pattern does not fit, no table has the column, or there are too many groups.
    """
    if options.protect_from is not None and options.protect is not None:
        raise UsageError("--protect and --protect-from exclude each other: give one of them")
    columns: list[list[str]]
    if options.protect_from is not None:
        columns, used = [_by_pattern(options.protect_from, names)], set[str]()
    elif options.protect is not None:
        columns, used = _by_tables(container, names, others, options.protect)
    else:
        return None, set()
    groups = GroupValues(options.protect_from or str(options.protect))
    for cells in zip(*columns, strict=True):
        groups.add(*cells)
    return groups.to_list(), used


def _by_pattern(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the text at `{group}` in each name; empty where the pattern does not fit."""
    if "{group}" not in pattern:
        raise UsageError(f"--protect-from {pattern} has no {{group}}: write a pattern such as '*_{{group}}_*.wav'")
    regex = _regex(pattern)
    matches = [regex.fullmatch(name) for name in names]
    if sum(match is not None for match in matches) < LEAST_MATCH * len(names):
        first = next(name for name, match in zip(names, matches, strict=True) if match is None)
        raise UsageError(
            f"--protect-from '{pattern}' does not fit most names, such as {first}: write a pattern that does"
        )
    return [match["group"] if match else "" for match in matches]


def _regex(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression over the end of a path; other words in braces are wildcards."""
    parts = re.split(r"(\*\*|\*|\?|\{\w+\})", pattern.strip("/"))
    known = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{group}": "(?P<group>[^/]+?)"}
    each = (known.get(part, "[^/]+?" if re.fullmatch(r"\{\w+\}", part) else re.escape(part)) for part in parts)
    return re.compile("(?:.*/)?" + "".join(each) + "$", re.S)


def _by_tables(
    container: Container, names: Sequence[str], others: Sequence[str], protect: str
) -> tuple[list[list[str]], set[str]]:
    """Return the cells of a column, or of several with commas between them, and the tables that they are from."""
    whole = _cells(container, names, others, protect)
    parts = [protect] if whole else list(dict.fromkeys(part.strip() for part in protect.split(",")))
    columns, used = list[list[str]](), set[str]()
    for part in parts:
        cells = whole or _cells(container, names, others, part)
        if cells is None:
            raise UsageError(
                f"--protect {part}: no table beside the files has a column '{part}' and names most of them; "
                "--protect-from takes groups from the names of files, as in '*_{group}_*.wav'"
            )
        columns.append(cells[0])
        used |= cells[1]
    return columns, used


def _cells(
    container: Container, names: Sequence[str], others: Sequence[str], column: str
) -> tuple[list[str], set[str]] | None:
    """Return the cells of a column of the tables that name the examples, empty for those that are not named."""
    finder, values, used = Names(names), dict[int, str | None](), set[str]()
    for name in others:
        if suffix(name) not in TABLE_SUFFIXES or container.size(name) > LARGEST_TABLE:
            continue
        try:
            matched = match_table(parse_label_table(container.read(name), name), name, names, finder, column)
        except SparringError:  # of other things, or without this column
            continue
        if matched is not None:
            values |= matched[0]
            used.add(name)
    return ([values.get(k) or "" for k in range(len(names))], used) if used else None
