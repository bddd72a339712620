from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring.attacks.pgd import pgd
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.engine.errors import UsageError

X, Y = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2])
THREAT = Threat("Linf", 0.1)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 3))


def test_frozen_restores_the_model() -> None:
    model = net().train()
    model[2].eval()
    model[1].weight.requires_grad_(False)
    model(X).sum().backward()
    state = {name: t.clone() for name, t in model.state_dict().items()}
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    random = torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError), frozen(model, seed=3):
        assert not any(module.training for module in model.modules())
        assert not any(p.requires_grad for p in model.parameters())
        torch.randn(3)
        raise ZeroDivisionError
    pgd(model, X, Y, THREAT, steps=3)
    assert [module.training for module in model] == [True, True, False, True, True] and model.training
    assert [p.requires_grad for p in model.parameters()] == [False, True, True, True, True, True]
    for p, grad in zip(model.parameters(), grads, strict=True):
        assert p.grad is grad is None or torch.equal(p.grad, grad)
    assert all(torch.equal(state[name], t) for name, t in model.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())


def test_a_seed_makes_a_stochastic_model_repeat() -> None:
    def noisy(x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3] + torch.randn(len(x), 3)

    draws = []
    for _ in range(2):
        with frozen(noisy, seed=1):
            draws.append(noisy(X))
    assert torch.equal(*draws)


def test_check_returns_the_logits_of_eval_mode() -> None:
    model = net().train()
    logits = check_inputs(model, X, Y, THREAT)
    torch.testing.assert_close(logits, model.eval()(X).detach())


def linear(x: Tensor) -> Tensor:
    return x.flatten(1)[:, :3]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "normalised": ({"x": (X - 0.5) / 0.3}, "looks normalised.*into the model"),
    "bytes": ({"x": (X * 255).byte()}, r"uint8.*give x.float\(\) / 255"),
    "as large as bytes": ({"x": X * 255}, "divide it by 255"),
    "from -1 to 1": ({"x": X * 2 - 1}, "low=-1, high=1"),
    "half precision": ({"x": X.half()}, r"float16.*x.float\(\)"),
    "not finite": ({"x": X.clone().index_fill_(0, torch.tensor([2]), torch.nan)}, "row 2 of x is not finite"),
    "no batch": ({"x": X[0, 0, 0]}, "give a batch"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, "give a batch"),
    "one-hot": ({"y": torch.eye(3)[Y]}, r"one-hot.*y.argmax\(1\)"),
    "float labels": ({"y": Y.float()}, r"float32.*y.long\(\)"),
    "labels of another count": ({"y": Y[:3]}, "x has 4 rows"),
    "unlabelled": ({"y": Y - 1}, "label -1.*leave out rows without a label"),
    "beyond the classes": ({"y": Y + 1}, "label 3, but the model has 3 classes: classes are 0 to 2"),
    "target beyond": ({"target": Y + 4}, "target has the label"),
    "probabilities": ({"model": lambda x: linear(x).softmax(1)}, "returns probabilities"),
    "logits not finite": ({"model": lambda x: linear(x).index_fill(0, torch.tensor([1]), torch.inf)}, "row 1"),
    "one logit": ({"model": lambda x: linear(x)[:, :1]}, "one number a row: give two logits"),
    "too many axes": ({"model": lambda x: x}, r"must return logits \[B, K\]"),
    "a tuple": ({"model": lambda x: (linear(x), x)}, "returns tuple"),
    "eps beyond the box": ({"threat": Threat("L2", 4.0)}, "beyond the whole box, which is 3"),
}


@pytest.mark.parametrize(("change", "match"), WRONG.values(), ids=WRONG)
def test_invalid_input_is_refused_with_a_remedy(change: dict[str, Any], match: str) -> None:
    given: dict[str, Any] = {"model": linear, "x": X, "y": Y, "threat": THREAT, **change}
    with pytest.raises(UsageError, match=match):
        check_inputs(**given)


@pytest.mark.parametrize(
    ("model", "x", "match"),
    [
        (net().double(), X, r"weights in float64, and x is float32: give x\.double\(\), or net\.float\(\)"),
        (net().bfloat16(), X, r"weights in bfloat16, and x is float32: give net\.to\(x\.dtype\)"),
        (net(), X.double(), r"weights in float32, and x is float64: give net\.to\(x\.dtype\), float64"),
    ],
    ids=["double", "half", "single"],
)
def test_weights_of_another_precision(model: nn.Module, x: Tensor, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        check_inputs(model, x, Y, THREAT)
    check_inputs(model.double(), X.double(), Y, THREAT)


def test_other_errors_of_the_model_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        check_inputs(net(), X[..., :2], Y, THREAT)


@pytest.mark.parametrize(
    "model",
    [lambda x: linear(x).detach(), lambda x: torch.zeros(len(x), 3, requires_grad=True) * 1],
    ids=["cut", "deaf"],
)
def test_a_model_without_gradient_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match=r"no gradient flows.*square"):
        pgd(model, X, torch.zeros(4, dtype=torch.int64), THREAT)


def test_values_outside_the_box_by_rounding_are_accepted() -> None:
    x = X.clone()
    x[0, 0, 0, 0] = -2.98e-8
    check_inputs(linear, x, Y, THREAT)
    assert THREAT.allows(x, x).all()
