"""Compare the accuracy of a classifier on clean rows with that under other ways to feed it and to read its outputs.

A model of another tool may expect normalised inputs, another range, order of channels or order of classes. All are one
thing: a change of the model, of which the accuracy is measured on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sparring.attacks.stochastic_models import is_stochastic
from sparring.attacks.validation import Model, frozen
from sparring.stats.intervals import binomial_test
from sparring.stats.proportion import Proportion

MAX_ROWS = 256
"""Rows on which alternatives are compared, at most."""
FEW_ROWS = 32
"""Rows on which an alternative must not be worse before it is tried on all."""
CHUNK_ROWS = 64
"""Rows in one forward pass."""
SIGNIFICANCE = 0.05
"""Largest p-value of a better alternative, divided by the number of those that are tried."""
AS_GOOD = 0.05
"""Largest p-value of a difference between two alternatives that counts."""
MAX_ERROR_RATIO = 0.65
"""A far better alternative leaves at most this fraction of the errors."""
BATCH_ROWS, BATCH_TOLERANCE = 32, 0.05
"""Rows that are given one by one and together, and the largest difference in units of the largest logit."""

BEGIN = "let the model begin with it"


@dataclass(frozen=True)
class Alternative:
    """Another way to feed a model, or to read its outputs."""

    name: str
    """What is different, as in `inputs (x - 0.5) / 0.5`."""
    wrap: Callable[[Model], Model]
    """Model -> the model that is called in this way."""
    advice: str
    """What to do where the model expects it."""


def with_inputs(name: str, change: Callable[[Tensor], Tensor], advice: str = BEGIN) -> Alternative:
    """Return the alternative that changes the inputs `[B, ...]`."""
    return Alternative(name, lambda model: lambda x: model(change(x)), advice)


def with_outputs(name: str, order: Sequence[int], advice: str) -> Alternative:
    """Return the alternative that takes output `order[k]` for class k."""
    return Alternative(name, lambda model: lambda x: model(x)[:, list(order)], advice)


@dataclass(frozen=True)
class BetterFit:
    """An alternative under which a model is far better."""

    names: tuple[str, ...]
    advice: tuple[str, ...]
    accuracy: Proportion
    before: Proportion
    """Accuracy of the model as it is, on the same rows."""
    similar: tuple[str, ...] = ()
    """Names of alternatives to the last one that are about as good."""


def better_fit(model: Model, x: Tensor, y: Tensor, groups: Sequence[Sequence[Alternative]]) -> BetterFit | None:
    """Return under which alternatives `model` is far better on x `[B, ...]` with labels y `[B]`; None if under none.

    Of each group at most one is taken: the best, if it is far better than without it. Groups are tried in turn as long
    as one helps. A difference counts if it is significant (exact McNemar test) and large.
    """
    idx = evenly(len(x), MAX_ROWS, x.device)
    x, y, tried = x[idx], y[idx], sum(map(len, groups))
    before = current = predictions(model, x) == y
    if not far_better(before, torch.ones_like(before), tried):  # there are too few errors for any difference
        return None
    taken: list[Alternative] = []
    similar: tuple[str, ...] = ()
    left = list(groups)
    while results := _results(model, x, y, current, left):
        best = max(results, key=lambda result: result.rank)
        if not far_better(current, best.correct, tried):
            break
        model, current = best.alternative.wrap(model), best.correct
        taken.append(best.alternative)
        left.remove(best.group)
        similar = tuple(
            r.alternative.name for r in results if r is not best and r.group is best.group and _as_good(r, best)
        )
    if not taken:
        return None
    accuracy, as_it_is = (Proportion.count(int(correct.sum()), len(y)) for correct in (current, before))
    names, advice = tuple(each.name for each in taken), tuple(dict.fromkeys(each.advice for each in taken))
    return BetterFit(names, advice, accuracy, as_it_is, similar)


@dataclass(frozen=True, eq=False)
class _Result:
    """Answers of a model under an alternative of a group."""

    alternative: Alternative
    group: Sequence[Alternative]
    correct: Tensor
    """Whether each row is classified correctly, bool `[B]`."""
    loss: float
    """Mean cross entropy."""

    @property
    def rank(self) -> tuple[int, float]:
        """Key that is larger for a better result: rows, then loss."""
        return int(self.correct.sum()), -self.loss


def _results(
    model: Model, x: Tensor, y: Tensor, current: Tensor, groups: Sequence[Sequence[Alternative]]
) -> list[_Result]:
    """Return the results of the alternatives whose inputs `model` accepts, and that are not worse on a few rows.

    One under which all answers are the same is none: its accuracy is the proportion of a class.
    """
    results, few = [], evenly(len(x), FEW_ROWS, x.device)
    for group in groups:
        for alternative in group:
            with suppress(Exception):  # foreign code may raise anything
                changed = alternative.wrap(model)
                if int((predictions(changed, x[few]) == y[few]).sum()) < int(current[few].sum()):
                    continue
                logits = logits_of(changed, x).float()
                if bool((logits.argmax(1) == logits[0].argmax()).all()):
                    continue
                loss = float(cross_entropy(logits, y))
                results.append(_Result(alternative, group, logits.argmax(1) == y, loss if loss == loss else torch.inf))
    return results


def _as_good(result: _Result, best: _Result) -> bool:
    """Return whether a result has about the accuracy of the best one."""
    first, second = int((best.correct & ~result.correct).sum()), int((result.correct & ~best.correct).sum())
    return first <= second or binomial_test(first, first + second) > AS_GOOD


def far_better(before: Tensor, after: Tensor, tried: int = 1) -> bool:
    """Return whether `after` has many more correct rows than `before`, both bool `[B]`, the best of `tried` results."""
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    errors, left = int((~before).sum()), int((~after).sum())
    if gained <= lost or binomial_test(gained, gained + lost) * tried > SIGNIFICANCE:
        return False
    return left <= MAX_ERROR_RATIO * errors


def class_order(model: Model, x: Tensor, y: Tensor, classes: int) -> list[int] | None:
    """Return the order of outputs that fits a random half of x `[B, ...]` and y `[B]`; None where none is plain.

    Output `order[k]` is the one that is largest for most rows of class k. An order must take each output once.
    """
    idx = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[: (len(y) + 1) // 2].to(x.device)
    y, answers = y[idx], predictions(model, x[idx])
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts.index_put_((y.cpu(), answers.cpu()), torch.ones(len(y), dtype=torch.int64), accumulate=True)
    order: list[int] = counts.argmax(1).tolist()
    return order if sorted(order) == list(range(classes)) else None


def batch_dependence(model: Model, x: Tensor, y: Tensor) -> tuple[Proportion, Proportion] | None:
    """Return the accuracy on some rows of x `[B, ...]` as one batch and one by one; None where answers do not differ.

    A model whose passes over the same rows differ is not compared.
    """
    idx = evenly(len(x), BATCH_ROWS, x.device)
    x, y = x[idx], y[idx]
    if len(x) < 2 or is_stochastic(model, x[:2]):
        return None
    with torch.no_grad(), frozen(model, seed=0):
        together, single = model(x), torch.cat([model(row) for row in torch.split(x, 1)])
    if not bool((together - single).abs().max() > BATCH_TOLERANCE * together.abs().max()):
        return None
    first, second = (Proportion.count(int((logits.argmax(1) == y).sum()), len(y)) for logits in (together, single))
    return first, second


def predictions(model: Model, x: Tensor) -> Tensor:
    """Return the class numbers that `model` predicts for x `[B, ...]`, int64 `[B]`."""
    return logits_of(model, x).argmax(1)


def logits_of(model: Model, x: Tensor) -> Tensor:
    """Return the outputs of `model` for x `[B, ...]`, in eval mode and without gradients."""
    with torch.no_grad(), frozen(model, seed=0):
        return torch.cat([model(chunk) for chunk in torch.split(x, CHUNK_ROWS)])


def evenly(count: int, most: int, device: torch.device | None = None) -> Tensor:
    """Return up to `most` indices of `count` rows, evenly spaced, int64."""
    size = min(count, most)
    return (torch.arange(size, device=device) * count).div(max(size, 1), rounding_mode="floor")
