"""Audit features for `sparring evaluate FEATURES --protect GROUPS`: read, check, attack, write the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sparring.commands.evaluating.feature_files import Grouping, Source, column_of, read_groups, read_matrix
from sparring.commands.reporting.progress import Progress
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError, UsageError
from sparring.measure.leakage.attack import MIN_GROUP_ROWS
from sparring.measure.leakage.audit import Audited, audit
from sparring.measure.leakage.result import LeakageReport
from sparring.report.leakage_section import leakage_sections
from sparring.report.page import Page, page_html
from sparring.stats.intervals import Interval


def leakage(
    features: Any,
    protect: Source | None,
    *,
    beside: Source | None = None,
    within: Source | None = None,
    seed: int = 0,
    report: str | Path | None = None,
    progress: Progress,
) -> LeakageReport:
    """Return how well fresh adversaries predict the groups `protect` from `features`; see `evaluate`.

    Raises UsageError where features, groups and raw data do not fit together, SparringError where values are not
    finite or a group has too few rows.
    """
    if protect is None:
        raise UsageError("--beside and --within are for an audit of features: add --protect GROUPS")
    if not isinstance(features, str | Path | np.ndarray):
        raise UsageError(f"features are a file or an array [N, d], not {type(features).__name__}")
    used: dict[str, set[str]] = {}
    for source in (protect, within):
        for path, columns in (column_of(source, features) if source is not None else {}).items():
            used[path] = used.get(path, set()) | columns
    groups = read_groups(protect, features)
    x = read_matrix(features, used)
    raw = read_matrix(beside, used) if beside is not None else None
    labels = read_groups(within, features, "--within") if within is not None else None
    _check_lengths(len(x), groups=groups.values, beside=raw, within=labels.values if labels else None)
    rows, warnings = _usable(x, groups, raw, labels)
    for name, values in (("the features", rows.features), ("the raw data", rows.raw)):
        if values is not None:
            warnings += _check_values(name, values)
    sizes = ", ".join(f"{name} {count:,}" for name, count in zip(rows.names, np.bincount(rows.groups), strict=True))
    progress.info(f"plan: {len(rows.groups):,} rows of {groups.what} ({sizes}): half for training, half for the test")
    result = audit(rows, seed=seed, on_progress=progress.callback("attacking", "adversaries"))
    result = LeakageReport(
        {"source": _name(features), "protect": groups.what, **result.protocol}, result.message, result.leaks,
        result.certificates, (*warnings, *result.warnings),
    )  # fmt: skip
    if report is not None:
        facts = {"features": _name(features), "group": groups.what}
        write(Path(report), page_html(Page(f"Leakage of {groups.what}", facts, leakage_sections(result))))
        progress.info(f"report: {report}")
    return result


def to_text(report: LeakageReport) -> str:
    """Return the text that the command prints: the message, a line for each attack, the certificates, the warnings."""
    lines = [f"{report.protocol['source']}: {report.protocol['protect']}", report.message, ""]
    head = f"{'attacked':16} {'class':12} {'AUC':24} {'balanced accuracy':24} {'bits':24} adversary"
    lines.append(head)
    for leak in report.leaks:
        label = leak.label if leak.label is not None else "all"
        figures = " ".join(f"{_figure(each):24}" for each in (leak.auc, leak.balanced_accuracy, leak.bits))
        lines.append(f"{leak.attacked:16} {label:12} {figures} {leak.adversary}")
    for each in report.certificates:
        label = each.label if each.label is not None else "all"
        lines.append(
            f"{'certificate':16} {label:12} gap <= {each.bound:.3f} (distance among the rows {each.distance:.3f}, "
            f"{each.codes:,} codes, {' and '.join(each.pair)})"
        )
    return "\n".join([*lines, *(f"warning: {warning}" for warning in report.warnings)])


def _figure(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _name(source: Source) -> str:
    return "an array" if isinstance(source, np.ndarray) else str(source)


def _check_lengths(count: int, **others: np.ndarray | None) -> None:
    for flag, values in others.items():
        if values is not None and len(values) != count:
            name = "--protect" if flag == "groups" else f"--{flag}"
            raise UsageError(
                f"{count:,} rows of features and {len(values):,} of {name}: each row needs its own, in the same order"
            )


def _usable(
    x: np.ndarray, groups: Grouping, raw: np.ndarray | None, labels: Grouping | None
) -> tuple[Audited, list[str]]:
    """Return the rows of known groups that are large enough, and warnings on the others."""
    warnings = []
    sizes = np.bincount(groups.values[groups.values >= 0], minlength=len(groups.names))
    large = np.flatnonzero(sizes >= MIN_GROUP_ROWS)
    for k in np.flatnonzero(sizes < MIN_GROUP_ROWS):
        warnings.append(
            f"group '{groups.names[k]}': left out, it has {sizes[k]:,} rows and {MIN_GROUP_ROWS} are needed. The "
            "audit says nothing of it"
        )
    if len(groups.names) < 2:
        only = f"'{groups.names[0]}'" if groups.names else "none"
        raise UsageError(f"'{groups.what}' holds one group, {only}: name groups of two or more values")
    if len(large) < 2:
        raise SparringError(
            f"'{groups.what}' has fewer than two groups of {MIN_GROUP_ROWS} rows: {'; '.join(warnings)}. Add rows"
        )
    if unknown := int((groups.values < 0).sum()):
        warnings.append(f"{unknown:,} rows without a group are left out")
    number = np.full(len(groups.names) + 1, -1)
    number[large] = np.arange(len(large))
    values = number[groups.values]
    idx = np.flatnonzero(values >= 0)
    rows = Audited(
        x[idx], values[idx], [groups.names[k] for k in large], raw[idx] if raw is not None else None,
        labels.values[idx] if labels is not None else None, labels.names if labels is not None else (),
    )  # fmt: skip
    return rows, warnings


def _check_values(name: str, x: np.ndarray) -> list[str]:
    """Return a warning on constant columns; raise SparringError where values are not finite."""
    wrong = np.flatnonzero(~np.isfinite(x).all(1))
    if len(wrong):
        raise SparringError(
            f"{len(wrong):,} rows of {name} hold NaN or infinite values, the first is row {wrong[0]}: leave these rows "
            "out of features and groups"
        )
    constant = int((x == x[:1]).all(0).sum())
    if constant == x.shape[1]:
        return [f"all columns of {name} are constant: they hold nothing, about groups or anything else"]
    return [f"{constant:,} of {x.shape[1]:,} columns of {name} are constant"] if constant else []
