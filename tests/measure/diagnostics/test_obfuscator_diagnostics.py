from __future__ import annotations

from typing import Any

import pytest

from sparring.measure.diagnostics.obfuscator_diagnostics import ObfuscatorFacts, diagnose_obfuscator
from sparring.measure.diagnostics.training_length import TrainingLength


def audit(auc: float, accuracy: float) -> dict[str, Any]:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.02, "high": value + 0.02}

    return {
        "message": "",
        "group": {"original": {"auc": figure(0.95)}, "obfuscated": {"auc": figure(auc)}},
        "class": {
            "original": {"balanced_accuracy": figure(0.9), "recalls": {"a": 0, "b": 0}},
            "obfuscated": {"balanced_accuracy": figure(accuracy)},
        },
    }


@pytest.mark.parametrize(
    ("auc", "accuracy", "kinds"),
    [(0.55, 0.85, ["healthy"]), (0.8, 0.85, ["leak"]), (0.55, 0.6, ["worse"]), (0.8, 0.6, ["leak", "worse"])],
)
def test_what_the_audit_shows(auc: float, accuracy: float, kinds: list[str]) -> None:
    length = TrainingLength(10_000_000, 10_000, 64)
    facts = ObfuscatorFacts("again", length, {"weight": 10.0, "noise": 0.5}, audit(auc, accuracy))
    assert [finding.kind for finding in diagnose_obfuscator([], facts)] == kinds
