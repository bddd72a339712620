"""Diagnose the training of a density model from its logged metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sparring.measure.diagnostics.finding import (
    Finding,
    Lines,
    Severity,
    find_diverged,
    find_few,
    find_short,
    noise,
    recent,
    series,
)
from sparring.measure.diagnostics.training_length import DENSITY, TrainingLength

BASELINE = "independent_nll"
"""Metric of image 0: -log p of independent values."""
SCORE = "nll"
"""Metric by which checkpoints are compared: -log p of held-out examples."""
MIN_MEASUREMENTS = 4
"""Smallest number of measurements of which a trend is reported."""
MAX_GAP = 0.1
"""Difference of held-out and training -log p, relative to the smaller one, above which training examples are
memorised."""
MIN_RISE = 0.01
"""Relative rise of the held-out -log p above its best, beyond noise, that is reported."""
MIN_IMPROVEMENT = 0.003
"""Relative improvement over the last quarter of the measurements below which a run is done."""
MAX_LEAK = 1e-4
"""Largest change of outputs by later pixels that rounding may explain."""


@dataclass(frozen=True)
class Limit:
    """A metric of a family of networks, and from where on it is a problem."""

    is_bad: Callable[[float], bool]
    severity: Severity
    message: str
    evidence: str
    """Text with a place for the value."""
    advice: str


LIMITS: Mapping[str, Limit] = {
    "causality_leak": Limit(
        lambda leak: leak > MAX_LEAK,
        "problem",
        "Outputs of the network depend on pixels that come later: its log p is not a density.",
        "outputs change by {:.2g} when later pixels change",
        "trust no -log p of this network; normalise nothing over space or the batch",
    ),
    "stuck_chains": Limit(
        lambda stuck: stuck > 0.5, "problem", "Most Markov chains are stuck: do not believe samples and log Z.",
        "{:.0%} of the chains, after 100 sweeps; healthy runs had 0 to 30 %", "a new run with a lower --lr",
    ),
    "energy_autocorrelation": Limit(
        lambda correlation: correlation > 0.9, "notice", "The Markov chains mix slowly: samples are much alike.",
        "correlation of energies {:.2f} after 50 sweeps; healthy runs had 0.5", "a lower --lr, or more --sweeps",
    ),
    "dead_units": Limit(
        lambda dead: dead > 0.5, "problem", "Most hidden units are off for all examples: they are not used.",
        "{:.0%} of the units", "a lower --lr, or fewer --hidden",
    ),
    "saturated_units": Limit(
        lambda full: full > 0.5, "problem", "Most hidden units are on for all examples: they are not used.",
        "{:.0%} of the units", "a lower --lr, or fewer --hidden",
    ),
    "finite_proportion": Limit(
        lambda finite: finite < 1, "problem", "The inverse of the flow overflows for some examples.",
        "{:.0%} of the examples are finite and come back", "a new run with a lower --lr",
    ),
    "condition_number": Limit(
        lambda log10: log10 > 8, "notice", "The flow is close to singular: it squeezes some directions to nothing.",
        "condition number of its Jacobian 10^{:.1f}", "a larger --likelihood, or a lower --lr",
    ),
}  # fmt: skip
"""Metric that `diagnostics` of a network may log -> its limit."""


@dataclass(frozen=True)
class DensityFacts:
    """Facts about a run besides its metrics."""

    command: str
    """Command that continues the run."""
    length: TrainingLength
    unit: str
    """Unit of -log p."""


def diagnose_density(lines: Lines, facts: DensityFacts) -> list[Finding]:
    """Return the findings on a run, problems first, then its trend."""
    if diverged := find_diverged(lines):
        return diverged
    measured = [line for line in lines if SCORE in line and line["nimg"] > 0]
    problems = [
        *find_limits(measured),
        *find_untrained(lines, measured, facts),
        *find_gap(measured, facts),
        *find_rise(measured, facts),
    ]
    trend = find_trend(measured, facts)
    if not (problems or trend.kind == "done"):
        problems += find_short(facts.length, DENSITY, facts.command)
    problems += find_few(facts.length)
    if problems or trend.kind == "unclear":
        return [*problems, trend]
    message = f"The run is healthy: -log p of held-out examples is {recent(series(measured, SCORE)):.4g} {facts.unit}."
    return [Finding("healthy", "ok", message), trend]


def find_limits(lines: Lines) -> list[Finding]:
    """Find metrics of the network beyond their limits."""
    findings = []
    for name, limit in LIMITS.items():
        values = series(lines, name)
        if values and limit.is_bad(recent(values)):
            evidence = limit.evidence.format(recent(values))
            findings.append(Finding(name, limit.severity, limit.message, evidence, limit.advice))
    return findings


def find_untrained(lines: Lines, measured: Lines, facts: DensityFacts) -> list[Finding]:
    """Find a model that is no better than independent values."""
    baseline, values = series(lines, BASELINE), series(measured, SCORE)
    if not baseline or not values or recent(values) < baseline[0]:
        return []
    evidence = f"-log p {recent(values):.4g} {facts.unit}, of independent values {baseline[0]:.4g}"
    message = "The model is no better than independent values: it has not learnt how they depend on each other."
    advice = f"{facts.command} with more --minutes, or a new run with another --lr"
    return [Finding("untrained", "problem", message, evidence, advice)]


def find_gap(lines: Lines, facts: DensityFacts) -> list[Finding]:
    """Find training examples that are much likelier than held-out ones."""
    held_out, train = series(lines, SCORE), series(lines, "train_nll")
    if not train:
        return []
    gap = recent(held_out) - recent(train)
    if gap <= MAX_GAP * max(min(abs(recent(train)), abs(recent(held_out))), 1e-9):
        return []
    evidence = f"{recent(held_out):.4g} {facts.unit} of held-out examples, {recent(train):.4g} of training examples"
    message = "The model has memorised training examples: held-out ones are much less likely."
    advice = "more data, a smaller network, or sample --checkpoint best"
    return [Finding("overfit", "problem", message, evidence, advice)]


def find_rise(lines: Lines, facts: DensityFacts) -> list[Finding]:
    """Find a held-out -log p that has risen again."""
    values = series(lines, SCORE)
    if len(values) < MIN_MEASUREMENTS:
        return []
    best, last = min(values[:-3]), recent(values)
    if last - best <= max(MIN_RISE * abs(best), 2 * noise(values)):
        return []
    evidence = f"{best:.4g} {facts.unit} at its best, {last:.4g} now"
    message = "Held-out examples become less likely: the run was best earlier."
    return [Finding("worse", "problem", message, evidence, "--checkpoint best, or a lower --lr")]


def find_trend(lines: Lines, facts: DensityFacts) -> Finding:
    """Return whether the likelihood still rises."""
    values = series(lines, SCORE)
    if len(values) < MIN_MEASUREMENTS:
        message = "There are too few measurements for a trend."
        evidence = f"{len(values)} after image 0, {MIN_MEASUREMENTS} are needed"
        return Finding("unclear", "notice", message, evidence, f"{facts.command} with more --minutes")
    before, last = values[-1 - len(values) // 4], values[-1]
    evidence = f"-log p of held-out examples from {values[0]:.4g} to {last:.4g} {facts.unit}"
    if before - last > max(MIN_IMPROVEMENT * abs(last), noise(values)):
        return Finding(
            "improving", "ok", "The likelihood still rises.", evidence, f"{facts.command} with more --minutes"
        )
    return Finding("done", "ok", "The likelihood no longer changes.", evidence)
