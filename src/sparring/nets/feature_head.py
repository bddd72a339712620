"""Any classifier as one of two halves, as feature matching asks: its last linear layer is the head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sparring.engine.errors import UsageError


def features_of(net: nn.Module, x: Tensor) -> Tensor:
    """Features `[B, F]` of images `[B, C, H, W]`, float32, by a network of two halves."""
    h: Tensor = net.features(x)  # type: ignore[operator]
    return h.float()


def logits_of(net: nn.Module, h: Tensor) -> Tensor:
    """Logits `[B, classes]` of features `[B, F]`, float32, by a network of two halves."""
    logits: Tensor = net.head(h)  # type: ignore[operator]
    return logits.float()


class FeatureHead(nn.Module):
    """A classifier in two halves: `head` is the last linear layer of `net`, `features` what comes into it, `[B, F]`.

    What `net` does after that layer (a softmax, say) is left out: logits are wanted. Raises UsageError where it does not take
    `x`, two images or more, or has no linear layer that gives the logits of `classes`.
    """

    def __init__(self, net: nn.Module, x: Tensor, classes: int) -> None:
        super().__init__()
        self.net = net
        self._last = _last_linear(net, x, classes)

    @property
    def head(self) -> nn.Module:
        """Features -> logits `[B, classes]`."""
        return self.net.get_submodule(self._last)

    def features(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` -> `[B, F]`."""
        seen: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
        try:
            self.net(x)
        finally:
            hook.remove()
        return seen[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Images -> logits `[B, classes]`."""
        logits: Tensor = self.head(self.features(x))
        return logits


def split_head(net: nn.Module, x: Tensor, classes: int) -> nn.Module:
    """`net` itself where its `features` and `head` lead from images `x` to logits of `classes`, else `net` cut in two."""
    try:
        with torch.no_grad():
            logits = logits_of(net, features_of(net, x))
        return net if tuple(logits.shape) == (len(x), classes) else FeatureHead(net, x, classes)
    except (AttributeError, RuntimeError, ValueError, TypeError):
        return FeatureHead(net, x, classes)


class Whole(nn.Module):
    """Any network that gives logits, in two halves: its logits are its features."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.head = nn.Identity()

    def features(self, x: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.net(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Once more."""
        return self.features(x)


def split_or_wrap(net: nn.Module, x: Tensor, classes: int) -> nn.Module:
    """As `halved`; where there is no last linear layer the logits themselves are the features."""
    try:
        return split_head(net, x, classes)
    except UsageError:
        return Whole(net)


def _last_linear(net: nn.Module, x: Tensor, classes: int) -> str:
    """The name of the linear layer that `x` passes last; lazy layers know their sizes afterwards."""
    passed: list[tuple[str, Tensor]] = []

    def note(name: str) -> Any:
        return lambda layer, given, out: passed.append((name, out))

    linear = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_hook(note(name)) for name, layer in linear]
    try:
        tried(net, x, "the classifier")
    finally:
        for hook in hooks:
            hook.remove()
    name, out = passed[-1] if passed else ("", x[:0])
    if tuple(out.shape) != (len(x), classes):
        found = f"its last, '{name}', gives {list(out.shape)}" if passed else "it has none"
        raise UsageError(
            f"the classifier needs a last linear layer that gives the logits [B, {classes}] of the {classes} classes; {found}. "
            f"End it with torch.nn.Linear(..., {classes}), or give it `features` and `head`"
        )
    return name


def tried(net: nn.Module, x: Tensor, whose: str) -> Tensor:
    """What `net` makes of `x`, in eval mode and without gradients; raises UsageError, naming it, where it cannot take that."""
    training = net.training
    try:
        with torch.no_grad():
            out = net.eval()(x)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise UsageError(f"{whose} does not take an input of {list(x.shape)}: {error}") from error
    finally:
        net.train(training)
    if not isinstance(out, Tensor):
        raise UsageError(f"{whose} gives a {type(out).__name__}, not a tensor")
    return out
