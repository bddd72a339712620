"""Diagnose a generator that was fitted at once, by the accuracy of its forests."""

from __future__ import annotations

from sparring.measure.diagnostics.finding import Finding, Lines

ACCURACY = "forest_accuracy"
"""Out-of-bag accuracy of a forest that tells real rows from made ones."""
SOLVED = 0.55
"""Accuracy up to which the forests found little more."""


def diagnose_fitted(lines: Lines) -> list[Finding]:
    """Return whether the last forest still separated real rows from made ones."""
    accuracies = [line[ACCURACY] for line in lines if ACCURACY in line]
    if not accuracies:
        return [Finding("unseen", "notice", "No forest is logged: the run says nothing about its fit.")]
    evidence = f"out-of-bag accuracy of the forests: {', '.join(f'{accuracy:.3f}' for accuracy in accuracies)}"
    if accuracies[-1] <= SOLVED:
        return [Finding("healthy", "ok", "The last forest separated real rows from made ones by chance.", evidence)]
    return [
        Finding(
            "far", "notice", "The last forest still separated real rows from made ones.", evidence,
            "a smaller --leaf-rows or more --trees",
        )
    ]  # fmt: skip
