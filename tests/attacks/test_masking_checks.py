"""Models that mask gradients, each in its own way: the check that fails, and the attack that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sparring.attacks.autoattack import autoattack
from sparring.attacks.masking_checks import (
    BLACK_BOX,
    DETERMINISTIC,
    GRADIENTS_FLOW,
    SMOOTH,
    UNBOUNDED,
    UNSATURATED,
    MaskingCheck,
    check_masking,
    follow_ups,
)
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model
from sparring.attacks.wrappers import gradient_blockers, straight_through
from sparring.engine.errors import UsageError

THREAT = Threat("Linf", 0.25)


class Linear(nn.Module):
    """Two classes, by the mean."""

    def forward(self, x: Tensor) -> Tensor:
        score = (x.flatten(1) - 0.5).mean(1)
        return torch.stack([score, -score], 1) * 10


class Rounded(nn.Module):
    """Rounding to four levels, without gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 3).round() / 3


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.4 * torch.randn_like(x)


class Rippled(nn.Module):
    """A stage with steep ripples, each a hundredth of the box wide."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.05 * torch.sin(x.mean(1, keepdim=True) * 600)


def data(spread: float = 0.2) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(40) % 2
    means = 0.5 + spread * (1 - 2 * y.float())
    return (means[:, None] + 0.1 * (torch.rand(40, 16, generator=rng) - 0.5)).clamp(0, 1), y


def checks_of(model: Model, version: str = "standard") -> dict[str, MaskingCheck]:
    x, y = data()
    return {
        check.name: check
        for check in check_masking(model, x, y, THREAT, autoattack(model, x, y, THREAT, version=version))
    }


def follow_up_names(checks: dict[str, MaskingCheck], model: Model) -> dict[str, tuple[str, ...]]:
    return {answer.name: answer.failed_checks for answer in follow_ups(list(checks.values()), model, data()[0][:2])}


def test_a_linear_model_passes_all_checks() -> None:
    checks = checks_of(Linear())
    assert len(checks) == 7 and all(check.passed for check in checks.values())
    assert follow_up_names(checks, Linear()) == {}


def test_a_rounding_stage_is_followed_by_bpda() -> None:
    model = nn.Sequential(Rounded(), Linear())
    checks = checks_of(model)
    assert not checks[GRADIENTS_FLOW].passed and not checks[BLACK_BOX].passed and not checks[UNBOUNDED].passed
    result = follow_ups(list(checks.values()), model, data()[0][:2])
    assert [answer.name for answer in result] == ["bpda through 0"] and GRADIENTS_FLOW in result[0].failed_checks
    assert "module" not in checks[GRADIENTS_FLOW].evidence
    x, y = data()
    result = result[0].attack(model, x, y, THREAT, seed=0)
    assert result.success.all() and torch.equal(model(result.adv).argmax(1) != y, result.success)


def test_a_function_is_followed_by_a_longer_square_attack() -> None:
    model = nn.Sequential(Rounded(), Linear())
    checks = checks_of(lambda x: model(x))
    assert list(follow_up_names(checks, lambda x: model(x))) == ["square-long"]
    assert "make it a separate nn.Module" in checks[GRADIENTS_FLOW].evidence


def test_a_stochastic_model_is_followed_by_eot() -> None:
    model = nn.Sequential(Noisy(), Linear())
    checks = checks_of(model, "rand")
    assert not checks[DETERMINISTIC].passed and checks[GRADIENTS_FLOW].passed
    assert follow_up_names(checks, model)["apgd-eot"] == (DETERMINISTIC,)


def test_a_rippled_loss_is_followed_by_smoothing() -> None:
    model = nn.Sequential(Rippled(), Linear())
    x, y = data(0.05)
    checks = {c.name: c for c in check_masking(model, x, y, THREAT, autoattack(model, x, y, THREAT))}
    assert not checks[SMOOTH].passed
    smoothed_model = next(a for a in follow_ups(list(checks.values()), model, x[:2]) if a.name == "apgd-smoothed")
    result = smoothed_model.attack(model, x, y, THREAT, seed=0)
    assert torch.equal(model(result.adv).argmax(1) != y, result.success)


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e9])
def test_large_logits_are_called_a_saturated_softmax(scale: float) -> None:
    checks = checks_of(lambda x: Linear()(x) * scale)
    assert [name for name, check in checks.items() if not check.passed] == [UNSATURATED]
    assert "the label's logit leads by" in checks[UNSATURATED].evidence
    assert "module" not in "".join(check.evidence for check in checks.values())
    (follow_up,) = follow_ups(list(checks.values()), Linear(), data()[0][:2])
    assert (follow_up.name, follow_up.failed_checks) == ("apgd-rescaled", (UNSATURATED,))
    x, y = data()
    assert follow_up.attack(lambda x: Linear()(x) * scale, x, y, THREAT, seed=0).success.all()


def test_a_rounding_stage_is_found_behind_large_logits() -> None:
    checks = checks_of(nn.Sequential(Rounded(), Linear(), Times(1e4)))
    assert not checks[UNSATURATED].passed and not checks[GRADIENTS_FLOW].passed


def test_rows_that_longer_gradient_attacks_break_are_no_sign_of_masking() -> None:
    x, y = data()
    result = autoattack(Linear(), x, y, THREAT)
    by_square = ("square",) * 9
    honest = replace(result, broken_by=(*by_square, *result.broken_by[9:]))
    check = next(c for c in check_masking(Linear(), x, y, THREAT, honest) if c.name == BLACK_BOX)
    assert check.passed and "9 of 40 rows, of which longer gradient attacks break 9" in check.evidence
    rounded = nn.Sequential(Rounded(), Linear())
    masked = autoattack(rounded, x, y, THREAT)
    assert masked.broken_by.count("square") > 1
    assert not next(c for c in check_masking(rounded, x, y, THREAT, masked) if c.name == BLACK_BOX).passed
    single = replace(masked, broken_by=("square", *("",) * 39))
    assert next(c for c in check_masking(rounded, x, y, THREAT, single) if c.name == BLACK_BOX).passed


def test_without_gradients_only_determinism_is_checked() -> None:
    with torch.no_grad():
        checks = checks_of(lambda x: Linear()(x.detach()), "square")
    assert list(checks) == [DETERMINISTIC]


def test_a_model_that_classifies_no_row_correctly() -> None:
    x, y = data()
    with pytest.raises(UsageError, match="none of 40 rows correctly"):
        check_masking(Linear(), x, 1 - y, THREAT, autoattack(Linear(), x, 1 - y, THREAT))


def test_gradient_blockers_names_the_innermost_stage() -> None:
    model = nn.Sequential(nn.Sequential(nn.Identity(), Rounded()), nn.ReLU(), Linear())
    assert gradient_blockers(model, data()[0]) == ["0.1"]
    assert gradient_blockers(Linear(), data()[0]) == [] and gradient_blockers(lambda x: x, data()[0]) == []


def test_gradient_blockers_restores_the_model() -> None:
    model = nn.Sequential(Rounded(), nn.BatchNorm1d(16), nn.Dropout(), Linear()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(0)
    rng = torch.get_rng_state()
    assert gradient_blockers(model, data()[0]) == ["0"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and torch.equal(torch.get_rng_state(), rng)


def test_straight_through_keeps_outputs_and_passes_gradients() -> None:
    model = nn.Sequential(Rounded(), Linear())
    through = straight_through(model, ["0"])
    x = data()[0].requires_grad_()
    assert torch.equal(through(x), model(x))
    (gradient,) = torch.autograd.grad(through(x)[:, 0].sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(x, 10 / 16))
