"""report.html of `sparring obfuscate`: examples before and after, and the attacks."""

from __future__ import annotations

import numpy as np

from sparring.commands.obfuscating.parts import AuditRows
from sparring.commands.obfuscating.result import Obfuscation
from sparring.engine.atomic_io import write
from sparring.engine.run_folder import Run
from sparring.measure.leakage.result import LeakageReport
from sparring.models.obfuscator import ObfuscatorModel
from sparring.report.blocks import Table, Text, notes
from sparring.report.format import interval_text, percent
from sparring.report.leakage_section import leakage_sections
from sparring.report.page import Page, Section, page_html
from sparring.report.render import render

SHOWN = 10
"""Examples on the page, spread over groups."""
PROTOCOL = (
    "No audited example was used in training. Adversaries and classifiers are trained anew on half of them, in the "
    "version that they read, and tested on the other half. Noise is Gaussian, as far from the originals as obfuscated "
    "examples are. Class alone is what the true class reveals of the group: examples whose class can be read reveal it."
)


def write_page(report: Obfuscation, model: ObfuscatorModel, audited: AuditRows) -> None:
    """Write report.html into the run folder."""
    run = Run(report.run)
    leaks = tuple(sorted(report.audit.leaks.values(), key=lambda leak: leak is not report.leak))  # it comes first
    protocol = {"seed": report.seed, "audited": report.groups, "training minutes": report.minutes}
    audit = LeakageReport(protocol, report.message, leaks, ())
    facts = {"run": report.run, "protected": report.protect, "recipe": report.recipe, "seed": str(report.seed)}
    idx = _shown(audited)
    rows = audited.rows[idx]
    captions = [model.spec.groups[k] for k in audited.groups[idx]]
    attacks = [section for section in leakage_sections(audit) if section.title != "Certificate"]
    sections = [
        attacks[0],
        Section("Examples", render(model.spec, rows, model.obfuscate(rows, report.seed), captions)),
        Section("Class", Table(("Version", "Balanced accuracy", "95 % interval"), _utility(report))),
        *attacks[1:],
        Section("What was compared", Text(PROTOCOL), notes(report.notes)),
    ]
    write(run.report_path, page_html(Page(f"{run.path.resolve().name}: {report.protect} hidden", facts, sections)))


def _shown(audited: AuditRows) -> np.ndarray:
    """Return the rows that are shown: the groups in turn."""
    by_group = [np.flatnonzero(audited.groups == k) for k in range(audited.groups.max() + 1)]
    count = -(-SHOWN // len(by_group))
    return np.stack([rows[:count] for rows in by_group], 1).reshape(-1)[:SHOWN]


def _utility(report: Obfuscation) -> list[tuple[str, ...]]:
    figures = {name: leak.balanced_accuracy for name, leak in report.audit.utility.items()}
    return [(name, percent(each.value), interval_text(each.low, each.high)) for name, each in figures.items()]
