"""The evolution strategy as an attack: the optimum of a linear model, and trees, whose gradient is 0."""

from __future__ import annotations

import pytest
import torch
from problems import data
from torch import Tensor

from sparring.attacks import Threat, evolution
from sparring.engine.errors import UsageError


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_the_largest_margin_of_a_linear_model(norm: str) -> None:
    """x + eps sign(w) in Linf, x + eps w / |w| in L2: the margin rises by eps |w|, by the dual norm."""
    torch.manual_seed(0)
    weight = torch.randn(6)
    x = torch.full((3, 6), 0.5)

    def model(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), (x - 0.5) @ weight - 100], 1)

    result = evolution(model, x, torch.zeros(3, dtype=torch.long), Threat(norm, 0.1), steps=30, pairs=10)  # type: ignore[arg-type]
    best = 0.1 * (weight.abs().sum() if norm == "Linf" else weight.norm()) - 100
    assert not result.success.any() and (result.gradients == 0).all()
    torch.testing.assert_close(result.loss, best.expand(3), atol=0.01 * float(best + 100), rtol=0)
    assert (result.queries == 2 + 30 * 20 + 1).all()


def test_attacks_an_ensemble_of_trees_better_than_random_points() -> None:
    trees = pytest.importorskip("sklearn.ensemble")
    x = data(5, 400, 40)
    y = (x[:, ::2].sum(1) > x[:, ::2].sum(1).median()).long()
    forest = trees.RandomForestClassifier(30, random_state=0).fit(x.numpy(), y.numpy())

    def model(x: Tensor) -> Tensor:
        return torch.from_numpy(forest.predict_proba(x.numpy())).clamp(min=1e-6).log().to(x)

    y, threat = model(x[:60]).argmax(1), Threat("Linf", 0.1)
    result = evolution(model, x[:60], y, threat, steps=8)
    region, generator = threat.around(x[:60]), torch.Generator().manual_seed(0)
    broken = torch.zeros(60, dtype=torch.bool)
    for _ in range(int(result.queries.max())):
        broken |= model(region.random_point(generator)).argmax(1) != y
    assert result.success.sum() > broken.sum() and threat.allows(result.adv, x[:60]).all()


@pytest.mark.parametrize(
    ("given", "words"), [({"sigma": 0.0}, "sigma.*must be above 0"), ({"pairs": 0}, "pairs must be")]
)
def test_invalid_arguments_are_refused(given: dict[str, float], words: str) -> None:
    x = torch.full((1, 2), 0.5)
    with pytest.raises(UsageError, match=words):
        evolution(lambda x: x, x, torch.zeros(1, dtype=torch.long), Threat("Linf", 0.1), **given)  # type: ignore[arg-type]
