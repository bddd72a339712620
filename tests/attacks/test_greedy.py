"""Greedy against closed forms: fewest columns of a linear model, best category of a group; and on trees."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import data, mlp
from torch import Tensor

from sparring.attacks import TabularConstraints, Threat, greedy
from sparring.attacks.norms import NORMS
from sparring.engine.errors import UsageError

W = torch.tensor([0.5, -3.0, 1.0, 2.0, -0.25])


def linear(x: Tensor) -> Tensor:
    """Predict class 1 where w x is above 0.6; the margin changes by twice the change of w x."""
    score = x @ W.to(x) - 0.6
    return torch.stack([-score, score], 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_fewest_columns_of_a_linear_model(seed: int, most: int) -> None:
    """A column is worth |w| times its distance to the bound: the k best suffice, or no k columns do."""
    x = data(seed, 20, 5)
    score = x @ W - 0.6
    y = (score > 0).long()
    result = greedy(linear, x, y, Threat("L0", float(most)))
    down = torch.where(W > 0, x, 1 - x) * W.abs()  # how far w x falls where a column goes to its worst end
    up = torch.where(W > 0, 1 - x, x) * W.abs()
    worth = torch.where(y[:, None] == 1, down, up).sort(1, descending=True)[0].cumsum(1)
    needed = (worth <= score.abs()[:, None] + 1e-5).sum(1) + 1
    sure = ((worth - score.abs()[:, None]).abs() > 1e-4).all(1)  # ties are not asked for
    assert torch.equal(result.success[sure], (needed <= most)[sure])
    broke = sure & result.success
    assert torch.equal(result.distance[broke].long(), needed[broke])
    assert torch.equal(result.iterations[broke], needed[broke])


TABLE = TabularConstraints(immutable=(0,), increasing=(1,), integer=(2,), one_hot=((3, 4, 5), (6, 7)))


def table(seed: int, count: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Rows with an immutable, an increasing, an integer column and two one-hot groups; and the bounds."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 8, generator=rng)
    x[:, 2] = torch.randint(0, 50, (count,), generator=rng)
    x[:, 3:6] = torch.eye(3)[torch.randint(0, 3, (count,), generator=rng)]
    x[:, 6:] = torch.eye(2)[torch.randint(0, 2, (count,), generator=rng)]
    return x, torch.zeros(8), torch.tensor([1.0, 2, 49, 1, 1, 1, 1, 1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(NORMS), st.integers(0, 4))
def test_constraints_hold_in_every_norm(seed: int, norm: str, eps: int) -> None:
    x, low, high = table(seed)
    net = mlp(8, 3, seed)

    def model(x: Tensor) -> Tensor:
        return net(x / high.to(x))

    threat = Threat(norm, float(eps), low=low, high=high, columns=TABLE)  # type: ignore[arg-type]
    y = model(x).argmax(1)
    result = greedy(model, x, y, threat, steps=4, values=4)
    assert threat.allows(result.adv, x).all()
    assert torch.equal(result.success, model(result.adv).argmax(1) != y)
    assert (result.iterations <= 4).all()
    if not eps:
        assert torch.equal(result.adv, x)


def test_one_step_is_the_best_single_change() -> None:
    x, low, high = table(3)
    net = mlp(8, 2, 3)
    y = net(x).argmax(1)
    threat = Threat("L0", 8.0, low=low, high=high, columns=TABLE)
    result = greedy(net, x, y, threat, steps=1, values=3)
    for k in range(len(x)):
        tried = [x[k]]
        for column, values in {
            1: [x[k, 1], (x[k, 1] + 2) / 2, 2.0],
            2: [0.0, 24.5, 49.0],
        }.items():
            for value in values:
                changed = x[k].clone()
                changed[column] = torch.tensor(value).round() if column == 2 else value
                tried.append(changed)
        for group in ((3, 4, 5), (6, 7)):
            for column in group:
                changed = x[k].clone()
                changed[list(group)] = 0
                changed[column] = 1
                tried.append(changed)
        logits = net(torch.stack(tried))
        margins = logits[:, 1 - y[k]] - logits[:, y[k]]
        torch.testing.assert_close(result.loss[k], margins.max(), atol=1e-5, rtol=1e-5)


def test_a_category_is_one_change_and_two_entries() -> None:
    x = torch.eye(3)[:1]
    columns = TabularConstraints(one_hot=((0, 1, 2),))

    def model(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0], x[:, 1], 2 * x[:, 2]], 1) - 0.5

    for eps, success in ((1.0, False), (2.0, True)):
        result = greedy(model, x, torch.tensor([0]), Threat("L0", eps, columns=columns))
        assert result.success.item() == success
    assert result.adv.tolist() == [[0, 0, 1]] and result.iterations.item() == 1 and result.distance.item() == 2
    aimed = greedy(model, x, torch.tensor([0]), Threat("L0", 2.0, columns=columns), target=torch.tensor([1]))
    assert aimed.success.item() and aimed.adv.tolist() == [[0, 1, 0]]
    stays = Threat("L0", 2.0, mask=torch.tensor([0.0, 1.0, 1.0]), columns=columns)
    assert torch.equal(greedy(model, x, torch.tensor([0]), stays).adv, x)


def test_attacks_trees() -> None:
    trees = pytest.importorskip("sklearn.ensemble")
    x = data(5, 300, 4)
    y = (x[:, 0] + x[:, 2] > 1).long()
    forest = trees.RandomForestClassifier(20, random_state=0).fit(x.numpy(), y.numpy())

    def model(x: Tensor) -> Tensor:
        return torch.from_numpy(forest.predict_proba(x.numpy())).clamp(min=1e-6).log().to(x)

    y = model(x[:40]).argmax(1)
    threat = Threat("L0", 2.0, columns=TabularConstraints(immutable=(1, 3)))
    result = greedy(model, x[:40], y, threat)
    assert result.success_rate > 0.9 and (result.gradients == 0).all()
    assert torch.equal(result.adv[:, [1, 3]], x[:40][:, [1, 3]])


@pytest.mark.parametrize(
    ("given", "words"),
    [({"values": 1}, "values must be 2 or more"), ({"steps": 0}, "steps must be 1 or more, not 0")],
)
def test_invalid_arguments_are_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        greedy(linear, data(0, 2, 5), torch.zeros(2).long(), Threat("L0", 1.0), **given)  # type: ignore[arg-type]


def test_an_unbounded_box_is_refused() -> None:
    x = data(0, 4, 5)
    with pytest.raises(UsageError, match="low=, high="):
        greedy(linear, x, linear(x).argmax(1), Threat("L0", 1.0, low=-torch.inf, high=torch.inf))
