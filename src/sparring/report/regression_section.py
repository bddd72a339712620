"""Section of the report of a regressor: errors and the coverage of its intervals."""

from __future__ import annotations

from sparring.measure.regression.report import NumberTest, RegressionReport
from sparring.report.blocks import Facts, Table, Text, notes, proportion_cells
from sparring.report.format import number, percent
from sparring.report.page import Section
from sparring.report.trees_section import interval_cell, trees_section

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
    message = (
        f"{report.verdict} Errors on {report.tested_on}, in the unit of each number, with 95 % intervals. Predicted "
        f"intervals should hold {percent(report.coverage)} of the numbers of examples from the same source, give or "
        f"take {percent(report.calibration_spread)} by the choice of the calibration examples."
    ).strip()
    table = Table(HEAD, [_row(test) for test in report.numbers], named_rows=True)
    return Section("Errors and intervals", Text(message), table, facts, notes(report.notes))


def _row(test: NumberTest) -> tuple[str, ...]:
    errors = (test.error, test.root_mean_square, test.constant_error)
    return (test.name, *map(interval_cell, errors), *proportion_cells(test.covered), number(test.width.value))
