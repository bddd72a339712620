"""Load the strategy to attack: one by name, Python code, or a run of `classify` on windows of bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sparring.attacks.validation import Model, frozen
from sparring.commands.attacking.import_model import first_line
from sparring.commands.attacking.load_target import Target, load_target
from sparring.commands.attacking.strategies import NAMED, fit_strategy
from sparring.data.prices import BARS, column_places
from sparring.engine.data_spec import SeriesSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.models.classifier import Classifier

PREFIX = "strategy:"
"""What names of strategies begin with."""
LONG_CLASSES = ("up", "long", "buy", "rise", "higher", "1", "true", "yes")
"""Names of a class after which a run is long."""


@dataclass(frozen=True)
class StrategyTarget(Target):
    """A strategy under attack; its model maps bars `[B, 5, T]`, float64, to scores `[B]`, above 0 for long."""

    window: int | None = None
    """Bars that the strategy reads; None where it takes several numbers."""
    shortest: int = 1
    """Bars of the shortest window that it takes."""


def is_strategy(name: str | Path) -> bool:
    """Return whether the name of a model is that of a strategy."""
    return str(name).startswith(PREFIX)


def load_strategy(name: str) -> StrategyTarget:
    """Load `strategy:NAME`, on the CPU; one that learns is not fitted yet.

    NAME is one of NAMED, or a model as `load_target` takes them. Raises UsageError where there is no such strategy.
    """
    rest = name.removeprefix(PREFIX)
    if rest in NAMED:
        return StrategyTarget(
            name, NAMED[rest].create(), gradients=NAMED[rest].gradients, shortest=NAMED[rest].shortest
        )
    if not rest or (":" not in rest and not Path(rest).exists()):
        raise UsageError(f"there is no strategy '{rest}': {', '.join(NAMED)}, a run, or file.py:function of bars")
    target = load_target(rest)
    if target.classifier is not None:
        net, length = _classifier_score(target.classifier, rest)
        return StrategyTarget(name, net, window=length)
    return StrategyTarget(name, target.model, gradients=target.gradients, constructor=target.constructor)


def ready_strategy(target: StrategyTarget, windows: Tensor, returns: Tensor, seed: int) -> StrategyTarget:
    """Return the target fitted on windows `[N, 5, T]`, if it learns, and with a model that was called on some of them.

    Raises UsageError where it does not return a score for each window.
    """
    model = target.model
    try:
        fit_strategy(model, windows, returns, seed)
        with torch.no_grad(), frozen(model, seed):
            output = model(windows[:3])
    except (SparringError, UsageError):
        raise
    except Exception as error:  # foreign code may raise anything
        raise UsageError(
            f"{target.name} fails on bars float64 {list(windows[:3].shape)} (open, high, low, close, volume): "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(output, Tensor) or output.shape not in ((3,), (3, 1), (3, 2)):
        form = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UsageError(
            f"{target.name} returns {form} for 3 windows: a score for each, [3], above 0 for long, or logits of short "
            "and long, [3, 2]"
        )
    scored = _Scored(model, output.dim() == 2)
    return StrategyTarget(
        target.name, scored, gradients=target.gradients and _has_gradient(scored, windows[:3]), window=target.window
    )


class _Scored(nn.Module):
    """A strategy whose output is `[B]`, in the precision of the bars."""

    def __init__(self, model: Model, columns: bool) -> None:
        super().__init__()
        self.model, self.columns = model, columns
        self.training = getattr(model, "training", False)

    def forward(self, bars: Tensor) -> Tensor:
        output = self.model(bars)
        if self.columns:
            output = output[:, -1] - (output[:, 0] if output.shape[1] == 2 else 0)
        return output.to(bars)


class _ClassifierScore(nn.Module):
    """The logits of a classifier of bars: that of its long class minus the other."""

    def __init__(self, classifier: Classifier, places: list[int], long: int) -> None:
        super().__init__()
        self.net, self.logits, self.spec = classifier.net, classifier.logits, classifier.spec
        self.places, self.long = places, long

    def forward(self, bars: Tensor) -> Tensor:
        columns = [self.places.index(k) for k in range(len(self.places))]  # the run's channel k is this entry of a bar
        mean, std = (bars.new_tensor(values)[:, None] for values in (self.spec.mean, self.spec.std))
        logits = self.logits(((bars[:, columns] - mean) / std).float())
        return (logits[:, self.long] - logits[:, 1 - self.long]).to(bars)


def _classifier_score(classifier: Classifier, name: str) -> tuple[nn.Module, int]:
    """Return the score of a run, and the bars of its windows; raises UsageError where it reads no bars."""
    spec, classes = classifier.spec, classifier.classes
    if not isinstance(spec, SeriesSpec) or len(spec.channels) != len(BARS):
        raise UsageError(f"{name} does not read bars: a strategy reads open, high, low, close and volume (--names)")
    long = [k for k, each in enumerate(classes) if each.lower() in LONG_CLASSES]
    if len(classes) != 2 or len(long) != 1 or classifier.background:
        raise UsageError(
            f"{name} has the classes {', '.join(classes)}: a strategy has two, one of them named "
            + ", ".join(LONG_CLASSES)
        )
    return _ClassifierScore(classifier, column_places(spec.channels, name), long[0]), spec.length


def _has_gradient(model: nn.Module, bars: Tensor) -> bool:
    """Return whether a gradient flows from scores to bars."""
    leaf = bars.clone().requires_grad_()
    try:
        with torch.enable_grad():
            scores = model(leaf)
            (gradient,) = torch.autograd.grad(scores.sum(), leaf, allow_unused=True)
    except RuntimeError:
        return False
    return gradient is not None and bool(gradient.any())
