"""Sections of the report of a private run: the guarantee, the ledger, what may be shared."""

from __future__ import annotations

from collections.abc import Sequence

from sparring.engine.run_folder import SECRETS
from sparring.privacy.ledger import Ledger
from sparring.privacy.secret import CAUTION
from sparring.report.blocks import Bullets, Table, Text
from sparring.report.format import number
from sparring.report.page import Section


def privacy_sections(ledger: Ledger, shared: Sequence[str]) -> list[Section]:
    """Show the guarantee for the training rows, each release from them, and the files that may be shared."""
    budget = ledger.budget
    guarantee = (
        f"Neighbouring data differ in {ledger.adjacency}. Whatever is concluded from this run is at most "
        f"e^{budget.epsilon:g} times as likely with a training row as without it, but for a probability of "
        f"{budget.delta:g}. A person with several rows has that many times epsilon."
    )
    rows = [
        (release.what, release.mechanism.describe(), number(release.sensitivity), number(ledger.epsilon(k + 1)))
        for k, release in enumerate(ledger.releases)
    ]
    keep = f"Never share the folder {SECRETS}/: with its key the noise can be subtracted."
    return [
        Section(
            "Privacy", Text(guarantee), Table(("Release", "Mechanism", "Sensitivity", "Epsilon in all"), rows),
            Text("Treated as public knowledge:"), Bullets(ledger.public), Text(CAUTION, quiet=True),
        ),
        Section("What may be shared", Bullets(shared), Text(keep)),
    ]  # fmt: skip
