from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.game import Batch
from sparring.games.confident_teacher import ConfidentTeacher, align
from sparring.games.domain_adaptation import (
    AdversarialDomains,
    DomainAdaptation,
    DomainFeatures,
    forward_domains,
    ramped_term,
)
from sparring.games.domain_losses import coral
from sparring.nets.domain_critic import DomainCritic, HeadPair, MultilinearMap
from sparring.nets.tabular_mlp import TabularClassifier


def same(x: Tensor, batch: Batch) -> Tensor:
    return x


def batch(classes: int = 3) -> Batch:
    x, y = torch.randn(6, 4), torch.arange(6) % classes
    return Batch(torch.randn(6, 4) + 2, torch.full((6,), -1), seed=1, labelled=lambda: (x, y))


def test_without_terms_the_loss_is_the_cross_entropy_on_the_source() -> None:
    net, given = TabularClassifier(4, 3, 8), batch()
    loss, stats = DomainAdaptation(net, {}, same).loss("classifier", given, 0.5)
    assert given.labelled is not None
    x, y = given.labelled()
    torch.testing.assert_close(loss, cross_entropy(net(x), y))
    assert stats["accuracy"] == (net(x).argmax(1) == y).float().mean()


def test_a_weighted_term_rises_from_0() -> None:
    net, given = TabularClassifier(4, 3, 8), batch()
    game = DomainAdaptation(
        net, {"coral": ramped_term(5.0, lambda d: coral(d.source_features, d.target_features))}, same
    )
    assert game.loss("classifier", given, 0.0)[1]["coral"] == 0
    domains = forward_domains(net, given, same)
    expected = 5 * coral(domains.source_features, domains.target_features)
    torch.testing.assert_close(game.loss("classifier", given, 1.0)[1]["coral"], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("conditional", [False, True])
def test_the_critic_learns_unscaled_and_the_features_get_the_reversed_gradient(conditional: bool) -> None:
    net = TabularClassifier(4, 3, 8)
    joint = MultilinearMap(8, 3) if conditional else None
    critic = DomainCritic(joint.outputs if joint else 8, 5)
    term = AdversarialDomains(critic, weight=0.7, joint=joint, by_entropy=conditional)
    gradients = {}
    for at in (0.0, 1.0):
        net.zero_grad()
        critic.zero_grad()
        loss, stats = term(forward_domains(net, batch_of_seed(2), same), batch(), at)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients[at] = [p.grad.clone() for p in (critic.head.weight, net.features[1].weight) if p.grad is not None]  # type: ignore[union-attr]
        assert 0 <= float(stats["critic_accuracy"]) <= 1
    torch.testing.assert_close(gradients[0.0][0], gradients[1.0][0])
    assert not gradients[0.0][1].any()
    assert gradients[1.0][1].any()


def batch_of_seed(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x, others = (torch.randn(6, 4, generator=generator) for _ in range(2))
    return Batch(others, torch.full((6,), -1), seed=1, labelled=lambda: (x, torch.arange(6) % 3))


def test_the_multilinear_map_is_the_outer_product_and_a_projection_keeps_inner_products() -> None:
    f, p = torch.randn(2, 5), torch.randn(2, 3).softmax(1)
    torch.testing.assert_close(MultilinearMap(5, 3)(f, p)[1], torch.outer(f[1], p[1]).flatten())
    torch.manual_seed(0)
    wide = MultilinearMap(600, 10)
    assert wide.outputs == 4096
    f, p = torch.randn(2, 600), torch.randn(2, 10).softmax(1)
    exact = (f[0] @ f[0]) * (p[0] @ p[0])
    torch.testing.assert_close(wide(f, p)[0] @ wide(f, p)[0], exact, rtol=0.15, atol=0)


def test_a_pair_of_heads_answers_with_the_mean_probability() -> None:
    pair = HeadPair(nn.Linear(4, 3), nn.Linear(4, 3))
    x = torch.randn(5, 4)
    first, second = pair.both(x)
    torch.testing.assert_close(pair(x).exp(), (first.softmax(1) + second.softmax(1)) / 2)


def test_alignment_gives_the_shares() -> None:
    probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]])
    aligned = align(probs, probs.mean(0), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(aligned, torch.full((2, 2), 0.5))
    torch.testing.assert_close(align(probs, probs.mean(0), probs.mean(0)), probs)


class Answers(nn.Module):
    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits


def test_only_answers_as_confident_as_on_the_source_count() -> None:
    logits = torch.tensor([[5.0, 0.0], [0.2, 0.0], [0.0, 5.0]])
    student = torch.randn(3, 2)
    x, y = torch.randn(3, 4), torch.tensor([0, 1, 0])
    domains = DomainFeatures(x, y, x, student, x, student)
    term = ConfidentTeacher(Answers(logits), same, [0.5, 0.5], align_shares=False, weight=2.0, confidence=0.95)
    loss, stats = term(domains, Batch(x, y), 1.0)
    expected = cross_entropy(student[[0, 2]], torch.tensor([0, 1]), reduction="sum") / 3
    torch.testing.assert_close(loss, 2 * expected)
    assert float(stats["confident"]) == pytest.approx(2 / 3)
    assert term(domains, Batch(x, y), 0.0)[0] == 0
    assert set(term.state_dict()) == {"shares", "class_probs"}
