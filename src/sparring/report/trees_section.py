"""Section of a report: a network beside boosted trees, and which of them answers."""

from __future__ import annotations

from sparring.measure.boosting.comparison import TreeComparison
from sparring.report.blocks import Block, Table, Text
from sparring.report.format import number
from sparring.report.page import Section
from sparring.stats.intervals import Interval


def trees_section(comparison: TreeComparison) -> Section:
    """Show which of network and boosted trees answers, and their losses on the test rows."""
    blocks: list[Block] = [Text(f"{comparison.choice_text[0].upper()}{comparison.choice_text[1:]}.")]
    if comparison.difference is not None and comparison.network is not None and comparison.trees is not None:
        head = ["", f"{comparison.loss[0].upper()}{comparison.loss[1:]}"]
        rows = [["network", number(comparison.network)], ["boosted trees", number(comparison.trees)]]
        rows.append(["difference", interval_cell(comparison.difference)])
        if comparison.network_auc is not None and comparison.trees_auc is not None:
            head.append("AUC")
            for row, area in zip(rows, (comparison.network_auc, comparison.trees_auc, None), strict=True):
                row.append(interval_cell(area) if area is not None else "")
        blocks += [
            Text(f"On the {comparison.tested_on}, by which nothing is chosen."),
            Table(head, rows, named_rows=True),
        ]
    return Section("Network and boosted trees", *blocks)


def interval_cell(interval: Interval) -> str:
    """Return a number with the ends of its interval."""
    return f"{number(interval.value)} ({number(interval.low)} to {number(interval.high)})"
