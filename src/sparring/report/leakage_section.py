"""Sections of the report of an audit of features: attacks, certificates, families, protocol."""

from __future__ import annotations

from sparring.measure.leakage.result import Certificate, Leak, LeakageReport
from sparring.report.blocks import Details, Drawing, Table, Text, notes, proportion_cells, protocol_table
from sparring.report.format import interval_text, number, percent
from sparring.report.page import Section
from sparring.report.svg_plots import fraction_line
from sparring.stats.intervals import Interval


def leakage_sections(report: LeakageReport) -> list[Section]:
    """Show how well fresh adversaries predict the group, beside raw data and shuffled groups, and the certificates."""
    first = report.leaks[0]
    line = fraction_line(first.auc.value, first.auc.low, first.auc.high, "nothing", "everything")
    head = ("Attacked", "Class", "Adversary", "AUC", "95 % interval", "Balanced accuracy", "95 % interval", "Bits")
    return [
        Section("Leakage", Text(report.message), Drawing(line), notes(report.warnings)),
        Section("Attacks", Table(head, list(map(_row, report.leaks))), Details("Every family", [_families(report)])),
        Section("Recognised rows of each group", _recalls(report)),
        Section("Certificate", *_certificates(report)),
        Section("Protocol", protocol_table(report.protocol)),
    ]


def _row(leak: Leak) -> tuple[str, ...]:
    return (
        leak.attacked,
        _class(leak),
        leak.adversary,
        *_cells(leak.auc),
        percent(leak.balanced_accuracy.value),
        interval_text(leak.balanced_accuracy.low, leak.balanced_accuracy.high),
        _interval(leak.bits),
    )


def _families(report: LeakageReport) -> Table:
    names = list(report.leaks[0].families)
    rows = [
        (
            leak.attacked,
            _class(leak),
            *(f"{leak.families[name]:.3f}" if name in leak.families else "" for name in names),
        )
        for leak in report.leaks
    ]
    return Table(("AUC in the cross-validation", "Class", *names), rows)


def _recalls(report: LeakageReport) -> Table:
    rows = [
        (
            leak.attacked,
            _class(leak),
            name,
            *proportion_cells(recall),
            f"{recall.total:,}",
        )
        for leak in report.leaks
        for name, recall in leak.recalls.items()
    ]
    return Table(("Attacked", "Class", "Group", "Recognised", "95 % interval", "Rows"), rows)


def _certificates(report: LeakageReport) -> list[Table | Text]:
    if not report.certificates:
        return [Text("None: the features are no finite codes, and only these have a bound for every user.")]
    what = (
        "No decision that is made from the codes alone has a larger gap of its rates between two groups. With 95 % "
        "confidence all bounds hold together."
    )
    rows = [
        (_class(each), f"{each.codes:,}", percent(each.distance), percent(each.bound),
         " and ".join(each.pair), " and ".join(f"{count:,}" for count in each.rows))
        for each in report.certificates
    ]  # fmt: skip
    return [Text(what), Table(("Class", "Codes", "Distance among the rows", "Bound", "Groups", "Rows"), rows)]


def _class(each: Leak | Certificate) -> str:
    return "all" if each.label is None else each.label


def _cells(figure: Interval) -> tuple[str, str]:
    return f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}"


def _interval(figure: Interval) -> str:
    return f"{number(figure.value)} ({number(figure.low)} to {number(figure.high)})"
