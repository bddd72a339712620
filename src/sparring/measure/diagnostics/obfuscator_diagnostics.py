"""Diagnose the training of an obfuscator from its logged metrics and its audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparring.measure.diagnostics.finding import Finding, Lines, find_diverged, find_few, find_short
from sparring.measure.diagnostics.training_length import CLASSIFIER, TrainingLength

MOST_AUC = 0.6
"""AUC of a fresh adversary above which a group counts as readable."""
LEAST_KEPT = 0.5
"""Proportion of the lead over chance in predicting the class that replacements should keep."""


@dataclass(frozen=True)
class ObfuscatorFacts:
    """Facts about a run besides its metrics."""

    command: str
    """Command that continues the run."""
    length: TrainingLength
    settings: Mapping[str, Any]
    """Settings of the recipe."""
    audit: Mapping[str, Any] | None = None
    """Content of obfuscation.json; None where the command was stopped before it."""


def diagnose_obfuscator(lines: Lines, facts: ObfuscatorFacts) -> list[Finding]:
    """Return the findings on a run, problems first; of a good run one finding, of kind "healthy"."""
    if diverged := find_diverged(lines):
        return diverged
    short, audited = find_short(facts.length, CLASSIFIER, facts.command), []
    if facts.audit is not None:
        audited = [*_find_leak(facts.audit, facts.settings), *_find_lost_class(facts.audit, facts.settings)]
    return [*audited, *short, *find_few(facts.length)] or [
        Finding("healthy", "ok", "Fresh adversaries read little of the group.", (facts.audit or {}).get("message", ""))
    ]


def _find_leak(audit: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    """Find a group that a fresh adversary still predicts, from more than the class."""
    auc, alone = audit["group"]["obfuscated"]["auc"], audit["group"].get("class alone")
    allowed = max(MOST_AUC, alone["auc"]["high"] if alone else 0.0)
    if auc["low"] <= allowed:
        return []
    evidence = f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}), from the originals "
    evidence += f"{audit['group']['original']['auc']['value']:.3f}"
    advice = f"a new run with --weight {3 * settings['weight']:g}, or --noise {2 * settings['noise']:g}"
    return [Finding("leak", "problem", "A fresh adversary predicts the group from replacements.", evidence, advice)]


def _find_lost_class(audit: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    """Find classes that can no longer be predicted."""
    if not audit["class"]:
        return []
    before, after = (audit["class"][name]["balanced_accuracy"]["value"] for name in ("original", "obfuscated"))
    chance = 1 / len(audit["class"]["original"]["recalls"])
    if after - chance >= LEAST_KEPT * (before - chance):
        return []
    evidence = f"balanced accuracy {100 * after:.1f} %, {100 * before:.1f} % from the originals, "
    evidence += f"{100 * chance:.1f} % by chance"
    advice = f"a new run with more --minutes, --weight {settings['weight'] / 3:g} or --noise {settings['noise'] / 2:g}"
    return [Finding("worse", "notice", "Replacements lost most of what predicts the class.", evidence, advice)]
