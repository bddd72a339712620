"""understood.html: the task with its evidence, the checks, and the simple classifiers beside the result."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.commands.solving.checks import Checks
from sparring.commands.solving.task import Task
from sparring.commands.solving.understanding import parts_of
from sparring.data.dataset import SourceReport
from sparring.measure.diagnostics.finding import Finding
from sparring.report.blocks import Bullets, Table, Text
from sparring.report.page import Page, Section, page_html
from sparring.report.run_sections import findings_section
from sparring.stats.proportion import Proportion


def understood_page(
    text: str,
    task: Task,
    report: SourceReport | None,
    commands: Sequence[str],
    checks: Checks | None,
    errors: Proportion | None,
    looks: int,
    more: Sequence[Finding] = (),
) -> str:
    """Return the page as HTML; `errors` are those of the trained classifier, `looks` the readings of test labels."""
    sections = [_task_section(task), Section("Commands", Bullets(list(commands)))]
    if report is not None:
        sections.append(Section("Data", Bullets([f"{report.used:,} {report.unit}", *report.notes])))
    if checks is not None:
        sections.insert(1, findings_section([*more, *checks.findings], "Checks"))
        sections.insert(2, _baselines_section(checks, errors, looks))
    return page_html(Page("Understood", {"text": text}, sections))


def _task_section(task: Task) -> Section:
    rows = []
    for name, decision in parts_of(task):
        value = ", ".join(map(str, decision.value[:8])) if isinstance(decision.value, tuple) else decision.value
        rows.append((name, str(value), decision.certainty, decision.evidence, decision.flag))
    return Section("Task", Table(("Part", "Value", "From", "Evidence", "Flag"), rows, "parts", named_rows=True))


def _baselines_section(checks: Checks, errors: Proportion | None, looks: int) -> Section:
    if not checks.baselines:
        return Section("Simple classifiers")
    results = [(one.name, one.errors) for one in checks.baselines]
    rows = [(name, f"{one.value:.2%}", f"{one.low:.2%} to {one.high:.2%}") for name, one in results]
    if checks.without_duplicates is not None:
        one = checks.without_duplicates
        row = ("nearest neighbour, without copies", f"{one.value:.2%}", f"{one.low:.2%} to {one.high:.2%}")
        rows.insert(2, row)
    if errors is not None:
        rows.append(("the trained classifier", f"{errors.value:.2%}", f"{errors.low:.2%} to {errors.high:.2%}"))
    what = f"Errors on test examples, from the simplest classifier on. The test labels were read {looks} times."
    return Section(
        "Simple classifiers", Text(what), Table(("Classifier", "Errors", "95 % interval"), rows, named_rows=True)
    )
