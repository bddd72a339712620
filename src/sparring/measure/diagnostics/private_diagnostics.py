"""Diagnose a private generator by the distance of its samples to noisy moments; real rows are not read."""

from __future__ import annotations

from sparring.measure.diagnostics.finding import Finding, Lines

SCORE = "sample_moment_distance"
"""Squared distance of the moments of samples to the noisy ones, without the bias of the noise; 0 is the best."""
STILL_FALLING = 0.9
"""Ratio of the last distance to the one before, below which a longer training helps."""


def diagnose_moments(lines: Lines, command: str) -> list[Finding]:
    """Return the trend of the distance over a run, and what it does not show."""
    limits = Finding(
        "unseen", "notice", "Real rows were not read for this diagnosis: each reading would cost privacy.",
        "it rests on the noisy moments alone", "to compare with public rows: sparring evaluate RUN --data SOURCE",
    )  # fmt: skip
    distances = [line[SCORE] for line in lines if SCORE in line]
    if len(distances) < 2:
        return [Finding("untrained", "notice", "The training is too short for a trend."), limits]
    evidence = f"{SCORE} from {distances[0]:.4f} to {distances[-1]:.4f}"
    if distances[-1] > 0 and distances[-1] < STILL_FALLING * distances[-2]:
        message = "Samples still come closer to the noisy moments: a longer training costs no privacy."
        return [Finding("improving", "notice", message, evidence, f"more --minutes: {command}"), limits]
    return [Finding("done", "ok", "Samples match the noisy moments as well as this training can.", evidence), limits]


def diagnose_marginals() -> list[Finding]:
    """Return that a table of marginals is complete."""
    return [Finding("healthy", "ok", "The marginals were released once: there is nothing to train.")]
