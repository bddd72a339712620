from __future__ import annotations

from statistics import NormalDist
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring.attacks.smoothing import ABSTAIN, certify, class_counts, predict
from sparring.engine.errors import UsageError
from sparring.stats.intervals import clopper_pearson_lower

W = torch.tensor([3.0, -4.0])
X = torch.tensor([[0.4, 0.0], [0.0, 0.5], [0.0, -0.002], [0.0, -3.0]])
MARGIN = (X @ W) / 5
"""Signed distance of each row from the boundary."""
SIGMA = 0.5


def linear(x: Tensor) -> Tensor:
    return (x @ W)[:, None] * torch.tensor([-0.5, 0.5])


def test_radius_of_a_linear_classifier_is_its_margin() -> None:
    """Theorem 1 is tight there: sigma Phi^-1(Phi(margin / sigma)) = margin."""
    result = certify(linear, X, SIGMA, n=20_000)
    assert result.classes.tolist() == [1, 0, ABSTAIN, 1]
    distance = MARGIN.abs().double()
    assert (result.radius <= distance).all()
    torch.testing.assert_close(result.radius[:2], distance[:2], atol=0, rtol=0.08)
    assert result.radius[2] == 0
    assert float(result.radius[3]) == pytest.approx(SIGMA * NormalDist().inv_cdf(0.001 ** (1 / 20_000)), rel=1e-4)
    hits = class_counts(linear, X, SIGMA, 20_000).double()
    phi = torch.special.ndtr(MARGIN.double() / SIGMA)
    torch.testing.assert_close(hits[:, 1] / 20_000, phi, atol=0.015, rtol=0)


def test_radius_follows_from_the_bound() -> None:
    result = certify(linear, X, SIGMA, n=500)
    for p, radius, known in zip(result.p_lower.tolist(), result.radius.tolist(), result.classes.tolist(), strict=True):
        assert radius == pytest.approx(SIGMA * NormalDist().inv_cdf(p) if known != ABSTAIN else 0.0)
        assert (known == ABSTAIN) == (p <= 0.5)


def test_counts_do_not_depend_on_batches() -> None:
    x = torch.rand(5, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 4)).eval()
    whole = class_counts(model, x, 0.5, 150, batch_size=1024, seed=3)
    assert whole.shape == (5, 4) and (whole.sum(1) == 150).all()
    for batch_size in (1, 64, 100, 250):
        assert torch.equal(class_counts(model, x, 0.5, 150, batch_size=batch_size, seed=3), whole)
    assert torch.equal(class_counts(model, x[:2], 0.5, 150, seed=3), whole[:2])  # nor on the rows after it
    assert (class_counts(model, x, 0.5, 200, seed=3) >= whole).all()  # more draws are the same ones, and others
    assert not torch.equal(class_counts(model, x, 0.5, 150, seed=4), whole)


def test_certified_needs_the_label_and_the_radius() -> None:
    result = certify(linear, X, SIGMA, n=2000)
    right = torch.tensor([1, 0, 0, 1])
    assert result.certified(right).tolist() == [True, True, False, True]
    assert result.certified(right, 0.5).tolist() == [False, False, False, True]
    assert result.certified(1 - right).tolist() == [False] * 4


def test_predict_abstains_between_equally_likely_classes() -> None:
    progress = predict(linear, X, SIGMA, n=500)
    assert progress.tolist() == [1, 0, ABSTAIN, 1]
    assert predict(linear, X, SIGMA, n=5, alpha=0.001).tolist() == [ABSTAIN] * 4  # 2 / 2^5 is more than alpha


def test_at_most_alpha_of_boundary_rows_are_certified() -> None:
    """Of rows on the boundary at most alpha are certified."""
    result = certify(linear, torch.zeros(400, 2), 1.0, n0=20, n=100, alpha=0.05)
    assert (result.classes != ABSTAIN).double().mean() < 0.09


def test_model_and_global_random_state_are_restored() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(), nn.Linear(8, 2)).train()
    random = torch.random.get_rng_state()
    assert torch.equal(certify(model, X, 0.1, n=100).p_lower, certify(model, X, 0.1, n=100).p_lower)
    predict(model, X, 0.1, n=10)
    assert all(module.training for module in model) and torch.equal(random, torch.random.get_rng_state())


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "sigma": ({"sigma": 0.0}, "sigma.*above 0, not 0.0"),
    "alpha": ({"alpha": 1.5}, "between 0 and 1, not 1.5"),
    "draws": ({"n": 0}, "1 or more, not 0"),
    "batch": ({"batch_size": 0}, "1 or more"),
    "bytes": ({"x": X.byte()}, r"uint8: give x.float\(\)"),
    "one row": ({"x": X[0]}, "give a batch"),
    "not finite": ({"x": X / 0}, "row 0 of x is not finite"),
    "one logit": ({"model": lambda x: linear(x)[:, :1]}, "2 classes or more"),
    "a tuple": ({"model": lambda x: (linear(x),)}, "returns tuple"),
    "logits not finite": ({"model": lambda x: linear(x) / 0}, "not finite in noise"),
}


@pytest.mark.parametrize(("change", "match"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("what", [certify, predict])
def test_invalid_arguments_are_refused(what: Any, change: dict[str, Any], match: str) -> None:
    given = {"model": linear, "x": X, "sigma": SIGMA, "n": 10, **change}
    with pytest.raises(UsageError, match=match):
        what(given.pop("model"), given.pop("x"), given.pop("sigma"), **given)


def test_bound_of_all_hits_is_a_power() -> None:
    assert clopper_pearson_lower(100, 100, 0.001) == pytest.approx(0.001**0.01)
