"""Split any classifier into `features` and `head`, its last linear layer, as feature matching and OOD scores need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sparring.engine.errors import UsageError


def features_of(net: nn.Module, x: Tensor) -> Tensor:
    """Return the features `[B, F]`, float32, of inputs `[B, ...]`. `net` has `features` and `head`."""
    h: Tensor = net.features(x)  # type: ignore[operator]
    return h.float()


def logits_of(net: nn.Module, h: Tensor) -> Tensor:
    """Return the logits `[B, classes]`, float32, of features `[B, F]`. `net` has `features` and `head`."""
    logits: Tensor = net.head(h)  # type: ignore[operator]
    return logits.float()


class FeatureHead(nn.Module):
    """A classifier split into `head`, the last linear layer of `net`, and `features`, that layer's input `[B, F]`.

    What `net` does after that layer, e.g. a softmax, is left out. The constructor tries it on `x`, a batch of at least
    two. It raises UsageError if `net` fails on `x` or has no linear layer that gives logits `[B, classes]`.
    """

    def __init__(self, net: nn.Module, x: Tensor, classes: int) -> None:
        super().__init__()
        self.net = net
        self._last = _last_linear(net, x, classes)

    @property
    def head(self) -> nn.Module:
        """The last linear layer: features -> logits `[B, classes]`."""
        return self.net.get_submodule(self._last)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs `[B, ...]` to features `[B, F]`."""
        captured: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda layer, inputs: captured.append(inputs[0]))
        try:
            self.net(x)
        finally:
            hook.remove()
        return captured[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs to logits `[B, classes]`."""
        logits: Tensor = self.head(self.features(x))
        return logits


def split_head(net: nn.Module, x: Tensor, classes: int) -> nn.Module:
    """Return `net` if its own `features` and `head` map `x` to logits `[B, classes]`, else a FeatureHead around it."""
    try:
        with torch.no_grad():
            logits = logits_of(net, features_of(net, x))
        return net if tuple(logits.shape) == (len(x), classes) else FeatureHead(net, x, classes)
    except (AttributeError, RuntimeError, ValueError, TypeError):
        return FeatureHead(net, x, classes)


class LogitFeatures(nn.Module):
    """A classifier whose features are its logits, for networks without a last linear layer."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.head = nn.Identity()

    def features(self, x: Tensor) -> Tensor:
        """Map inputs to logits `[B, classes]`."""
        logits: Tensor = self.net(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs to logits `[B, classes]`."""
        return self.features(x)


def split_or_wrap(net: nn.Module, x: Tensor, classes: int) -> nn.Module:
    """Return `split_head(net, x, classes)`, or LogitFeatures where `net` has no last linear layer."""
    try:
        return split_head(net, x, classes)
    except UsageError:
        return LogitFeatures(net)


def _last_linear(net: nn.Module, x: Tensor, classes: int) -> str:
    """Return the name of the linear layer that is called last. Lazy layers are initialised on the way."""
    calls: list[tuple[str, Tensor]] = []

    def record(name: str) -> Any:
        return lambda layer, inputs, out: calls.append((name, out))

    linear = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_hook(record(name)) for name, layer in linear]
    try:
        try_forward(net, x, "the classifier")
    finally:
        for hook in hooks:
            hook.remove()
    name, out = calls[-1] if calls else ("", x[:0])
    if tuple(out.shape) != (len(x), classes):
        actual = f"its last one, '{name}', gives {list(out.shape)}" if calls else "it has none"
        raise UsageError(
            f"the classifier needs a last linear layer that gives the logits [B, {classes}] of the {classes} classes; "
            f"{actual}: end it with torch.nn.Linear(..., {classes}), or give it `features` and `head`"
        )
    return name


def try_forward(net: nn.Module, x: Tensor, name: str) -> Tensor:
    """Return `net(x)` in eval mode, without gradients. Raises UsageError if it fails or gives no tensor.

    `name` is what the error message calls the network.
    """
    training = net.training
    try:
        with torch.no_grad():
            out = net.eval()(x)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise UsageError(f"{name} does not take an input of {list(x.shape)}: {error}") from error
    finally:
        net.train(training)
    if not isinstance(out, Tensor):
        raise UsageError(f"{name} gives a {type(out).__name__}, not a tensor")
    return out
