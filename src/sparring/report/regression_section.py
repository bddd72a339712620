"""Section of the report of a regressor: errors, coverage of the intervals, and the comparison with boosted trees."""

from __future__ import annotations

from sparring.measure.regression.report import UNTESTED, NumberTest, RegressionReport
from sparring.measure.rivals.comparison import TreeComparison
from sparring.report.blocks import Block, Facts, Table, Text, notes, proportion_cells
from sparring.report.format import number, percent
from sparring.report.page import Section
from sparring.stats.intervals import Interval

HEAD = (
    "",
    "Mean absolute error",
    "Root mean square",
    "Always the median",
    "Within the interval",
    "95 % interval",
    "Width",
)


def regression_sections(report: RegressionReport) -> list[Section]:
    """Show the test of a regressor, and how it compares with boosted trees."""
    return [_errors(report), *([trees_section(report.trees)] if report.trees is not None else [])]


def _errors(report: RegressionReport) -> Section:
    facts = Facts({
        "Learnt from": f"{report.examples - report.validation_examples - report.calibration_examples:,}",
        "Chosen by": f"{report.validation_examples:,}", "Calibrated by": f"{report.calibration_examples:,}",
        "Minutes of training": f"{report.minutes:.1f}",
    })  # fmt: skip
    if not report.numbers:
        return Section("Errors", Text(f"{UNTESTED[0].upper()}{UNTESTED[1:]}."), facts, notes(report.notes))
    message = (
        f"{report.verdict} Errors on {report.tested_on}, in the unit of each number, with 95 % intervals. Predicted "
        f"intervals should hold {percent(report.coverage)} of the numbers of examples from the same source."
    ).strip()
    table = Table(HEAD, [_row(test) for test in report.numbers], named_rows=True)
    return Section("Errors and intervals", Text(message), table, facts, notes(report.notes))


def _row(test: NumberTest) -> tuple[str, ...]:
    errors = (test.error, test.root_mean_square, test.constant_error)
    return (test.name, *map(_text, errors), *proportion_cells(test.covered), number(test.width.value))


def trees_section(comparison: TreeComparison) -> Section:
    """Show which of network and boosted trees answers, and their losses on the test rows."""
    blocks: list[Block] = [Text(f"{comparison.choice_text[0].upper()}{comparison.choice_text[1:]}.")]
    if comparison.difference is not None and comparison.network is not None and comparison.trees is not None:
        head = ["", f"{comparison.loss[0].upper()}{comparison.loss[1:]}"]
        rows = [["network", number(comparison.network)], ["boosted trees", number(comparison.trees)]]
        rows.append(["difference", _text(comparison.difference)])
        if comparison.network_auc is not None and comparison.trees_auc is not None:
            head.append("AUC")
            for row, area in zip(rows, (comparison.network_auc, comparison.trees_auc, None), strict=True):
                row.append(_text(area) if area is not None else "")
        blocks += [
            Text(f"On the {comparison.tested_on}, by which nothing is chosen."),
            Table(head, rows, named_rows=True),
        ]
    return Section("Network and boosted trees", *blocks)


def _text(interval: Interval) -> str:
    return f"{number(interval.value)} ({number(interval.low)} to {number(interval.high)})"
