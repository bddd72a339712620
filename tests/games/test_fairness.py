"""Penalties and adversaries of groups: closed forms, and the direction of Zhang's projected gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, freeze_others
from sparring.games.codes import code_distance
from sparring.games.fair_games import (
    AdversarialGame,
    PenaltyGame,
    answer_entropy,
    group_distance,
    weighted_cross_entropy,
)
from sparring.games.fairness import Notion, gap_penalty, hsic
from sparring.nets.coded_classifier import CodedClassifier
from sparring.nets.group_adversary import AnswerAdversary, FeatureAdversary
from sparring.nets.tabular_mlp import TabularClassifier

PARITY, ODDS = Notion("parity", 2, 2), Notion("odds", 2, 2)
Y, A = torch.tensor([0, 0, 1, 1, 0, 1]), torch.tensor([0, 1, 0, 1, 0, -1])


def unchanged(x: Tensor, batch: Batch) -> Tensor:
    return x


def binary(*p: float) -> Tensor:
    return torch.tensor([[1 - each, each] for each in p], dtype=torch.float64)


P = binary(0.1, 0.4, 0.6, 0.8, 0.3, 0.9)


def test_the_gap_penalty_is_the_difference_of_means() -> None:
    parity = (0.4 + 0.8) / 2 - (0.1 + 0.6 + 0.3) / 3  # the row of unknown group does not count
    assert float(gap_penalty(P, Y, A, PARITY)) == pytest.approx(parity)
    odds = ((0.4 - 0.2) + (0.8 - 0.6)) / 2
    assert float(gap_penalty(P, Y, A, ODDS)) == pytest.approx(odds)
    assert float(gap_penalty(P, Y, A, Notion("opportunity", 2, 2, 1))) == pytest.approx(0.2)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1)])
def test_of_several_groups_the_gap_is_the_largest(order: tuple[int, ...]) -> None:
    p, group = binary(0.1, 0.5, 0.9), torch.tensor(order)
    assert float(gap_penalty(p, torch.zeros(3, dtype=torch.int64), group, Notion("parity", 3, 2))) == pytest.approx(0.8)


def test_opportunity_compares_correct_answers_of_the_positive_class_or_of_each() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.1, 0.3], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]], dtype=torch.float64)
    y, group = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    assert float(gap_penalty(p, y, group, Notion("opportunity", 2, 3, 1))) == pytest.approx(0.5)
    assert float(gap_penalty(p, y, group, Notion("opportunity", 2, 3))) == pytest.approx((0.1 + 0.5) / 2)


def test_a_batch_without_one_of_the_groups_has_no_penalty() -> None:
    for penalty in (gap_penalty, hsic):
        alone = penalty(P.clone().requires_grad_(), Y, torch.full_like(A, -1), PARITY)
        alone.backward()  # type: ignore[no-untyped-call]
        assert alone.item() == 0


def test_hsic_equals_its_definition() -> None:
    rows = A >= 0
    p, group, n = P[rows], A[rows], int(rows.sum())
    kernel = torch.exp(-torch.cdist(p, p).square() / 0.5)
    same = (group[:, None] == group[None]).double()
    centre = torch.eye(n, dtype=torch.float64) - 1 / n
    expected = torch.trace(kernel @ centre @ same @ centre) / (n - 1) ** 2
    assert float(hsic(P, Y, A, PARITY)) == pytest.approx(float(expected))


def test_hsic_sees_a_difference_that_means_do_not() -> None:
    p, group = binary(0.5, 0.5, 0.1, 0.9), torch.tensor([0, 0, 1, 1])
    y = torch.zeros(4, dtype=torch.int64)
    assert float(gap_penalty(p, y, group, PARITY)) == pytest.approx(0) and float(hsic(p, y, group, PARITY)) > 0.01


@pytest.mark.parametrize("notion", [PARITY, ODDS])
@pytest.mark.parametrize("penalty", [gap_penalty, hsic])
def test_gradients(notion: Notion, penalty: object) -> None:
    q = torch.rand(8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y, group = torch.arange(8) % 2, torch.arange(8) // 4
    assert torch.autograd.gradcheck(lambda x: penalty(x, y, group, notion), (q,))  # type: ignore[operator]


def test_each_cell_has_the_same_weight() -> None:
    weights = PARITY.weights(Y, A)
    assert [float(weights[k == A].sum()) for k in (0, 1, -1)] == pytest.approx([0.5, 0.5, 0])
    weights = ODDS.weights(Y, A)
    cells = [float(weights[(a == A) & (y == Y)].sum()) for a in (0, 1) for y in (0, 1)]
    assert cells == pytest.approx([0.25] * 4)


def test_rewards_of_an_adversary_at_chance_and_at_certainty() -> None:
    weights = PARITY.weights(Y, A)
    chance = torch.zeros(6, 2)
    assert float(weighted_cross_entropy(chance, A, weights)) == pytest.approx(math.log(2))
    assert float(group_distance(chance, A, weights)) == pytest.approx(0.5)
    assert float(answer_entropy(chance, A, weights)) == pytest.approx(math.log(2))
    sure = 50.0 * nn.functional.one_hot(A.clamp_min(0), 2)
    assert float(group_distance(sure, A, weights)) == pytest.approx(0, abs=1e-6)
    assert float(answer_entropy(-sure, A, weights)) == pytest.approx(0, abs=1e-6)  # certainly wrong is as certain


def batch(count: int = 64) -> Batch:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, 3, generator=generator)
    return Batch(x, (x[:, 0] > 0).long(), seed=5, group=(x[:, 1] + x[:, 0] > 0).long())


def test_the_projected_gradient_is_zhangs() -> None:
    torch.manual_seed(0)
    net, adversary, alpha = TabularClassifier(3, 2, 8), AnswerAdversary(2, 2, 0), 0.7
    game = AdversarialGame(
        net,
        adversary,
        PARITY,
        lambda at: alpha,
        unchanged,
        inputs="logits",
        reward=weighted_cross_entropy,
        project=True,
    )
    weights = list(net.parameters())

    def flat(loss: Tensor) -> Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])

    data = batch()
    logits, cells = net(data.x), PARITY.weights(data.y, data.group)  # type: ignore[arg-type]
    g = flat(nn.functional.cross_entropy(logits, data.y))
    h = flat(weighted_cross_entropy(adversary(net(data.x), data.y), data.group, cells))  # type: ignore[arg-type]
    with freeze_others(game, "classifier"):
        loss, _ = game.loss("classifier", data, 0.5)
        actual = flat(loss)
    expected = g - (g @ h).clamp_min(0) / (h @ h) * h - alpha * h
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


def test_an_adversary_worse_than_chance_is_not_made_worse() -> None:
    torch.manual_seed(0)
    net, adversary = TabularClassifier(3, 2, 8), AnswerAdversary(2, 2, 0)
    game = AdversarialGame(
        net, adversary, PARITY, lambda at: 5.0, unchanged, inputs="logits", reward=weighted_cross_entropy, ceiling=0.0
    )
    loss, stats = game.loss("classifier", batch(), 0.5)
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(net(batch().x), batch().y).item())
    assert torch.as_tensor(stats["reward"]).item() > 0


def test_fresh_adversaries_begin_in_time_and_the_same_each_time() -> None:
    torch.manual_seed(0)
    net, adversary, cleared = TabularClassifier(3, 2, 8), FeatureAdversary(8, 2, 0, 4), list[int]()
    game = AdversarialGame(
        net, adversary, PARITY, lambda at: 1.0, unchanged, inputs="features", reward=answer_entropy, generations=2,
        steps=2, on_fresh=lambda: cleared.append(1),
    )  # fmt: skip
    assert game.turns == ("adversary", "adversary", "classifier")
    first = adversary.layers[0].weight.clone()
    game.loss("adversary", batch(), 0.4)
    assert torch.equal(adversary.layers[0].weight, first) and not cleared
    for _ in range(2):
        game.loss("adversary", batch(), 0.5)
        assert int(adversary.generation) == 1 and len(cleared) == 1
    second = adversary.layers[0].weight.clone()
    assert not torch.equal(second, first)
    adversary.start_anew(1, batch().seed)
    assert torch.equal(adversary.layers[0].weight, second)


def test_the_leak_counts_each_group_the_same_and_unknown_ones_not() -> None:
    torch.manual_seed(0)
    net, adversary = TabularClassifier(3, 2, 8), AnswerAdversary(2, 2, 0)
    game = AdversarialGame(
        net, adversary, PARITY, lambda at: 1.0, unchanged, inputs="logits", reward=weighted_cross_entropy
    )
    data = Batch(torch.randn(8, 3), torch.zeros(8).long(), group=torch.tensor([0, 0, 0, 0, 0, 1, 1, -1]))
    assert data.group is not None
    right = adversary(net(data.x), data.y).argmax(1) == data.group
    _, stats = game.loss("adversary", data, 0.5)
    expected = (float(right[:5].float().mean()) + float(right[5:7].float().mean())) / 2
    assert torch.as_tensor(stats["leak"]).item() == pytest.approx(expected)
    assert expected != pytest.approx(float(right.float().mean()))


def test_the_penalty_has_the_weight_of_its_schedule() -> None:
    torch.manual_seed(0)
    net = TabularClassifier(3, 2, 8)
    game = PenaltyGame(net, gap_penalty, PARITY, lambda at: 4 * at, unchanged)
    entropy = nn.functional.cross_entropy(net(batch().x), batch().y).item()
    for at in (0.0, 0.5, 1.0):
        loss, stats = game.loss("classifier", batch(), at)
        penalty = torch.as_tensor(stats["penalty"]).item()
        assert loss.item() == pytest.approx(entropy + 4 * at * penalty) and penalty > 1e-3


def test_sharpening_compares_decisions() -> None:
    net = nn.Identity()
    data = Batch(
        torch.tensor([[0.0, 0.2], [0.0, 5.0], [0.0, -0.2]]), torch.zeros(3).long(), group=torch.tensor([0, 1, 1])
    )
    for sharpness, expected in ((1.0, abs(0.55 - (0.993 + 0.45) / 2)), (1000.0, 0.5)):
        game = PenaltyGame(net, gap_penalty, PARITY, lambda at: 1.0, unchanged, sharpness=sharpness)
        assert torch.as_tensor(game.loss("classifier", data, 1.0)[1]["penalty"]).item() == pytest.approx(
            expected, abs=1e-2
        )


def test_the_distance_of_codes_bounds_the_gap_of_every_decision() -> None:
    p = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]], dtype=torch.float64)
    group, y = torch.tensor([0, 0, 0, 0, 1, 1]), torch.zeros(6).long()
    assert code_distance(p, y, group, PARITY).item() == pytest.approx(1.0)
    group = torch.tensor([0, 0, 1, 1, 0, 1])
    assert code_distance(p, y, group, PARITY).item() == pytest.approx(0.0)
    p = torch.rand(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).softmax(1)
    group, y = torch.arange(40) % 2, torch.zeros(40).long()
    gaps = [
        abs(float((p[group == 1] @ d).mean() - (p[group == 0] @ d).mean()))
        for d in (torch.tensor([(k >> j) & 1 for j in range(4)], dtype=torch.float64) for k in range(16))
    ]
    assert code_distance(p, y, group, PARITY).item() == pytest.approx(max(gaps))


def test_codes_are_one_hot_and_gradients_pass() -> None:
    torch.manual_seed(0)
    net = CodedClassifier(TabularClassifier(3, 5, 8), 5, 2)
    x = batch().x
    with torch.no_grad():
        codes = net.features(x)
    assert torch.equal(codes.sort(1).values, nn.functional.one_hot(torch.full((64,), 4), 5).float())
    net(x).square().sum().backward()
    assert float(net.encoder.head.weight.grad.abs().sum()) > 0  # type: ignore[union-attr, operator, arg-type]
