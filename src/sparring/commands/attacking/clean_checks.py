"""Check a model on clean rows before the attack: what else fits far better, and whether its accuracy means anything."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sparring.attacks.outputs import are_probabilities
from sparring.attacks.validation import Model
from sparring.commands.attacking.alternatives import Groups, class_orders
from sparring.commands.attacking.load_target import Target
from sparring.measure.classifier.alternatives import batch_dependence, better_fit, class_order, logits_of, predictions
from sparring.measure.diagnostics.finding import Finding
from sparring.models.answers import NONE
from sparring.stats.proportion import Proportion

LEAST_ROWS = 8
"""Rows from which outputs in [0, 1] are no accident."""
MAX_SIMILAR = 2
"""Other alternatives in a message."""


def clean_findings(target: Target, x: Tensor, y: Tensor, classes: Sequence[str], groups: Groups = ()) -> list[Finding]:
    """Return what is wrong with how the target is called, judged by its answers to x `[B, ...]` with labels y `[B]`.

    `classes` name its outputs, and `groups` are alternatives that a model of another tool may expect (`better_fit`).
    """
    findings = [*_chance(predictions(target.model, x), y, classes), *_batch(target.model, x, y)]
    if target.classifier is not None:
        return findings
    findings += _independent(target.model, x)
    at_chance = any(finding.kind == "chance" and finding.severity == "problem" for finding in findings)
    fit = _better_fit(target.model, x, y, classes, groups)
    return [*fit, *findings, *_constructor(target, at_chance)]


def _better_fit(model: Model, x: Tensor, y: Tensor, classes: Sequence[str], groups: Groups) -> list[Finding]:
    orders = class_orders(classes, class_order(model, x, y, len(classes)))
    fit = better_fit(model, x, y, [orders, *groups])
    if fit is None:
        return []
    message = f"the model would be right on {fit.accuracy} with {' and '.join(fit.names)}"
    evidence = f"as it is, it is right on {fit.before}"
    if fit.similar:
        evidence += f". About as good: {'; '.join(fit.similar[:MAX_SIMILAR])}"
    return [Finding("alternative", "problem", message, evidence, "; ".join(fit.advice))]


def _chance(answers: Tensor, y: Tensor, classes: Sequence[str]) -> list[Finding]:
    """Return whether the model beats the same answer to all rows, and whether it has one answer for all."""
    total = len(y)
    if int(y.max()) >= len(classes):  # no output is right, as for synthetic sounds
        return []
    accuracy = Proportion.count(int((answers == y).sum()), total)
    commonest, rows = (int(value) for value in _most_frequent(y))
    chance, guess = rows / total, f"always answering '{classes[commonest]}', the commonest class, is right on"
    if rows == total:  # all rows are of one class: what is left is to guess
        known = sum(name != NONE for name in classes)
        chance, guess = 1 / known, f"guessing among {known} classes is right on"
    guess = f"{guess} {chance:.1%}"
    number, most = (int(value) for value in _most_frequent(answers))
    name = classes[number]
    if Proportion.count(total, total).low <= chance:
        message = f"{total} rows are too few to tell any accuracy from chance"
        return [Finding("chance", "notice", message, guess, "give a larger --count, or more data")]
    if accuracy.low <= chance:
        message = f"the accuracy without an attack is no better than chance: {accuracy}"
        evidence = f"{guess}; the most frequent answer is '{name}', for {most:,} of {total:,}"
        advice = "what is robust of it says nothing: check weights, inputs and the order of the classes"
        return [Finding("chance", "problem", message, evidence, advice)]
    if most == total and bool((y != y[0]).any()):
        message = f"the model answers '{name}' for all {total:,} rows: no other class is ever recognised"
        return [Finding("constant", "problem", message, f"{accuracy.hits:,.0f} of the rows are of this class")]
    return []


def _most_frequent(answers: Tensor) -> tuple[Tensor, Tensor]:
    counts = answers.bincount()
    return counts.argmax(), counts.max()


def _independent(model: Model, x: Tensor) -> list[Finding]:
    """Return that the outputs look like probabilities of labels that do not exclude each other."""
    values = logits_of(model, x)
    sums = values.double().sum(1)
    if len(x) < LEAST_ROWS or not bool(((values >= 0) & (values <= 1)).all()) or are_probabilities(values):
        return []
    message = "the outputs look like probabilities of independent labels: all lie in [0, 1], and rows do not sum to 1"
    evidence = f"the sums of the {len(x):,} rows are {sums.min():.2g} to {sums.max():.2g}"
    advice = (
        "leave the sigmoid out, which flattens the gradients. The largest output counts as the answer: for labels that "
        "do not exclude each other, attack each by its two logits, as in lambda x: net(x)[:, :1] * "
        "torch.tensor([-0.5, 0.5])"
    )
    return [Finding("independent", "problem", message, evidence, advice)]


def _batch(model: Model, x: Tensor, y: Tensor) -> list[Finding]:
    results = batch_dependence(model, x, y)
    if results is None:
        return []
    together, single = results
    return [
        Finding(
            "batch",
            "problem",
            "the answers depend on the other rows of the batch",
            f"right on {together.hits:,} of {together.total} rows as one batch, on {single.hits:,} one by one",
            "let the model use stored statistics, as BatchNorm with track_running_stats in eval mode does; the robust "
            "proportion below is that of batches, in which rows change each other's answers",
        )
    ]


def _constructor(target: Target, at_chance: bool) -> list[Finding]:
    """Return that the model was made by its class or a function, where it has weights."""
    if (
        not target.constructor
        or not isinstance(target.model, nn.Module)
        or next(target.model.parameters(), None) is None
    ):
        return []
    message = f"{target.constructor} was called and made the model anew: its weights are those of its constructor"
    advice = "name an object with trained weights, or a function that loads them" if at_chance else ""
    return [Finding("constructor", "problem" if at_chance else "notice", message, advice=advice)]
