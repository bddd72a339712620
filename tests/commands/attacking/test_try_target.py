"""Models of other tools are called as they can be called, and refused in words where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring.commands.attacking.alternatives import image_forms
from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.try_target import adapted, repeated, try_out
from sparring.engine.errors import UsageError

X = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NAMES = ("a", "b", "c")


def net(x: Tensor) -> Tensor:
    return 10 * x[:, 0, :3].mean(2)


def takes(count: int) -> Callable[[Tensor], Tensor]:
    def model(x: Tensor) -> Tensor:
        if len(x) != count:
            raise RuntimeError(f"expected {count} rows\nat line 7")
        return net(x)

    return model


MODELS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "plain": (net, ""),
    "one at a time": (takes(1), "no other number of inputs than 1"),
    "four at a time": (takes(4), "no other number of inputs than 4"),
    "sixteen at a time": (takes(16), "no other number of inputs than 16"),
    "squeezed": (lambda x: net(x).squeeze(0), "than 2"),
    "with features": (lambda x: (x, net(x)), "(0: [2, 1, 8, 8], 1: [2, 3])"),
    "with probabilities": (lambda x: {"p": net(x).softmax(1), "z": net(x)}, "'z'"),
    "with logits of another head": (lambda x: {"aux": -net(x), "logits": net(x)}, "'logits'"),
    "in a list": (lambda x: [net(x)], "'0'"),
    "in an object": (lambda x: SimpleNamespace(logits=net(x)), "'logits'"),
    "a tuple, one at a time": (lambda x: (None, takes(1)(x)), "'1'"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_called_as_it_can_be(name: str) -> None:
    model, note = MODELS[name]
    target = adapted(Target("m", model), X, NAMES)
    try_out(target, X, NAMES, "images")
    for count in (1, 2, 3, 5):
        x = X[:count].clone().requires_grad_()
        logits = target.model(x)
        assert torch.allclose(logits, net(x), atol=1e-6)
        logits.sum().backward()
        assert x.grad is not None and bool((x.grad != 0).any())
    assert any(note in each for each in target.notes) if note else not target.notes


def test_double_and_one_at_a_time_together() -> None:
    double = nn.Linear(64, 3).double()

    def model(x: Tensor) -> Tensor:
        return double(takes_one(x.flatten(1)))

    def takes_one(x: Tensor) -> Tensor:
        assert len(x) == 1
        return x

    target = adapted(Target("m", model), X, NAMES)
    assert target.model(X).shape == (5, 3) and target.model(X).dtype == X.dtype and len(target.notes) == 2


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda x: net(x).argmax(1), "m returns .*look like classes"),
        (lambda x: net(x).argmax(1).float(), "m returns .*look like classes"),
        (lambda x: (net(x), -net(x)), r"m returns tuple.*0: \[3, 3\], 1: \[3, 3\]"),
        (lambda x: net(x).repeat(1, 3), "m has 9 classes, and the data have 3: a, b, c"),
        (
            lambda x: nn.functional.conv2d(x, torch.zeros(1, 3, 3, 3)),
            r"It accepts images \[B, 3, 8, 8\]: give --mode RGB",
        ),
        (lambda x: x.reshape(len(x), 3, 32, 32), r"\[B, 3, 32, 32\]: give --mode RGB --size 32x32"),
        (lambda x: x.reshape(len(x), 1, 28, 28), r"\[B, 1, 28, 28\]: give --size 28x28"),
        (lambda x: torch.zeros(2, 64) @ x.mT, r"\[B, 64\]: let it begin with x.flatten\(1\)"),
        (lambda x: 1 / 0, "m fails on inputs .*division by zero.* Other usual shapes fail as well"),
    ],
)
def test_a_model_that_cannot_be_called_is_refused(model: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        try_out(adapted(Target("m", model), X, NAMES), X, NAMES, "images", image_forms(X))


def test_rows_are_repeated_where_there_are_few() -> None:
    assert torch.equal(repeated(X[:2], 5), X[[0, 1, 0, 1, 0]]) and torch.equal(repeated(X, 2), X[:2])


def one(x: Tensor) -> Tensor:
    return net(x)[:, 0] - 5


def one_at_a_time(x: Tensor) -> Tensor:
    return takes(1)(x)[:, 0] - 5


ONE_LOGIT: dict[str, Callable[[Tensor], Any]] = {
    "[B]": one,
    "[B, 1]": lambda x: one(x)[:, None],
    "squeezed": lambda x: one(x).squeeze(),
    "one at a time": one_at_a_time,
}


@pytest.mark.parametrize("name", ONE_LOGIT)
def test_one_logit_of_two_classes_becomes_two(name: str) -> None:
    target = adapted(Target("m", ONE_LOGIT[name]), X, ("no", "yes"))
    assert "the logits 0 and z of 'no' and 'yes'" in target.notes[-1]
    for count in (1, 2, 5):
        x = X[:count].clone().requires_grad_()
        logits = target.model(x)
        assert logits.shape == (count, 2) and torch.allclose(logits[:, 1], one(x)) and not logits[:, 0].any()
        logits.sum().backward()
        assert x.grad is not None and bool((x.grad != 0).any())
    try_out(target, X, ("no", "yes"), "images")


@pytest.mark.parametrize(
    ("model", "names", "match"),
    [
        (one, NAMES, "one number a row"),
        (lambda x: one(x).sigmoid(), NAMES[:2], "leave the sigmoid out"),
        (lambda x: (one(x) > 0).float(), NAMES[:2], "whole numbers, which look like classes"),
    ],
)
def test_one_number_that_is_no_logit_of_two_classes(
    model: Callable[[Tensor], Any], names: tuple[str, ...], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        try_out(adapted(Target("m", model), X, names), X, names, "images")
