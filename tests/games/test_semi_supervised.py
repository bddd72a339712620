from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

from sparring.engine.game import Batch, freeze_others
from sparring.games.semi_supervised import (
    SemiSupervisedGAN,
    absolute_feature_matching,
    conditional_entropy,
    entropy,
    feature_matching,
    low_density,
    pull_away,
    real_logit,
    real_or_generated,
)

CLASSES, LATENTS = 4, 3


class FeatureHead(nn.Module):
    """The smallest classifier of two halves."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(6, 5), nn.Linear(5, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return torch.tanh(self.body(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Made(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(LATENTS, 6)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.linear(z)).view(-1, 1, 2, 3)


def game(**options: object) -> SemiSupervisedGAN:
    torch.manual_seed(0)
    return SemiSupervisedGAN(Made(), FeatureHead(), latent_dim=LATENTS, **options)  # type: ignore[arg-type]


def batch(y: list[int] | None = None, labelled: Callable[[], tuple[Tensor, Tensor]] | None = None) -> Batch:
    x = torch.randn(4, 1, 2, 3, generator=torch.Generator().manual_seed(1))
    return Batch(x, torch.tensor(y or [0, 1, -1, -1]), seed=5, labelled=labelled)


def test_real_or_generated_is_the_binary_cross_entropy_of_z_over_z_plus_1() -> None:
    real, fake = torch.randn(50, CLASSES, dtype=torch.float64) * 3, torch.randn(30, CLASSES, dtype=torch.float64) * 3
    d_real, d_fake = (z / (z + 1) for z in (real.exp().sum(1), fake.exp().sum(1)))
    expected = (
        binary_cross_entropy(d_real, torch.ones_like(d_real)) + binary_cross_entropy(d_fake, torch.zeros_like(d_fake))
    ) / 2
    torch.testing.assert_close(real_or_generated(real, fake), expected)
    torch.testing.assert_close(torch.sigmoid(real_logit(real)), d_real)


def test_it_is_the_softmax_of_k_plus_1_logits_with_that_of_generated_at_0() -> None:
    logits = torch.randn(20, CLASSES, dtype=torch.float64)
    whole = torch.cat([logits, torch.zeros(20, 1, dtype=torch.float64)], 1)
    fake = cross_entropy(whole, torch.full((20,), CLASSES))
    real = -(1 - whole.softmax(1)[:, -1]).log().mean()
    torch.testing.assert_close(real_or_generated(logits, logits), (real + fake) / 2)


def test_large_logits_stay_finite() -> None:
    far = torch.tensor([[300.0, -300.0]], requires_grad=True)
    loss = real_or_generated(-far, far)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(far.grad).all()  # type: ignore[arg-type]


def test_feature_matching_by_hand() -> None:
    fake, real = torch.tensor([[0.0, 2.0], [2.0, 2.0]]), torch.tensor([[3.0, 2.0], [5.0, 6.0], [4.0, 7.0]])
    assert feature_matching(fake, real).item() == pytest.approx((3**2 + 3**2) / 2)  # means (1, 2) and (4, 5)
    assert absolute_feature_matching(fake, real - torch.tensor([0.0, 4.0])).item() == pytest.approx((3 + 1) / 2)
    assert feature_matching(real, real.flip(0)).item() == 0


def test_entropy_by_hand() -> None:
    assert entropy(torch.zeros(3, CLASSES)).item() == pytest.approx(math.log(CLASSES))
    assert entropy(torch.tensor([[1000.0, 0.0, 0.0]])).item() == 0
    p = torch.tensor([[0.25, 0.75]])
    assert entropy(p.log()).item() == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))


def test_pull_away_by_hand() -> None:
    assert pull_away(torch.eye(5) * torch.arange(1.0, 6)[:, None]).item() == pytest.approx(0, abs=1e-6)
    assert pull_away(torch.ones(4, 3) * torch.tensor([[1.0], [-2.0], [3.0], [9.0]])).item() == pytest.approx(1)
    half = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])  # cosines: root 1/2, 0, root 1/2
    assert pull_away(half).item() == pytest.approx((0.5 + 0.5 + 0) * 2 / 6)
    assert torch.isfinite(pull_away(torch.ones(1, 3)))


def test_low_density_is_0_far_away_and_1_at_real_features() -> None:
    real = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])  # nearest neighbours are 2 apart
    assert low_density(real + 50, real).item() == 0
    assert low_density(real, real).item() == pytest.approx(1, abs=1e-3)
    assert low_density(torch.tensor([[-1.0, 0.0]]), real).item() == pytest.approx(0.5)
    assert torch.isfinite(low_density(real, torch.ones(3, 2)))


def test_the_classifiers_loss_is_the_sum_of_its_statistics() -> None:
    made = game(terms={"entropy": conditional_entropy(0.3)}, generated_weight=0.7)
    loss, stats = made.loss("classifier", batch(), 0.0)
    parts = stats["labelled"] + 0.7 * stats["unlabelled"] + stats["entropy"]
    torch.testing.assert_close(loss, parts)
    net = made.players["classifier"]
    torch.testing.assert_close(stats["labelled"], cross_entropy(net(batch().x)[:2], torch.tensor([0, 1])))
    torch.testing.assert_close(stats["entropy"], 0.3 * entropy(net(batch().x)))


def test_labelled_images_are_drawn_from_the_batch_where_few_have_labels() -> None:
    x, y = torch.ones(2, 1, 2, 3), torch.tensor([3, 2])
    made = game()
    _, stats = made.loss("classifier", batch(labelled=lambda: (x, y)), 0.0)
    torch.testing.assert_close(stats["labelled"], cross_entropy(made.players["classifier"](x), y))


def test_a_batch_without_labels_has_a_loss() -> None:
    loss, stats = game().loss("classifier", batch([-1] * 4), 0.0)
    assert stats["labelled"] == 0 and stats["accuracy"] == 0 and torch.isfinite(loss)


def test_only_labelled_images_are_augmented_with_independent_noise() -> None:
    given: list[tuple[Tensor, Batch]] = []

    def change(x: Tensor, of: Batch) -> Tensor:
        given.append((x, of))
        return x * 0

    made = game(augment=change)
    _, stats = made.loss("classifier", batch(), 0.0)
    torch.testing.assert_close(
        stats["labelled"], cross_entropy(made.players["classifier"](torch.zeros(2, 1, 2, 3)), torch.tensor([0, 1]))
    )
    ((x, of),) = given
    assert torch.equal(x, batch().x) and of.seed != batch().seed


def test_each_loss_reaches_one_player() -> None:
    made = game(generator_terms={"pull_away": (0.5, lambda fake, real: pull_away(fake))})
    for player, other in (("classifier", "generator"), ("generator", "classifier")):
        for net in made.players.values():
            net.zero_grad()
        with freeze_others(made, player):
            made.loss(player, batch(), 0.0)[0].backward()
        assert all(p.grad is None for p in made.players[other].parameters())
        felt = dict(made.players[player].named_parameters())
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in felt.values())


def test_the_generators_loss_is_feature_matching_plus_terms() -> None:
    made = game(generator_terms={"low_density": (2.0, low_density)})
    loss, stats = made.loss("generator", batch(), 0.0)
    net = made.players["classifier"]
    fake, real = net.features(made.players["generator"](batch().normal(LATENTS))), net.features(batch().x)
    torch.testing.assert_close(loss, feature_matching(fake, real) + 2 * low_density(fake, real))
    torch.testing.assert_close(stats["low_density"], 2 * low_density(fake, real))


def test_without_generated_images_only_the_classifier_trains() -> None:
    made = game(generated_weight=0.0)
    assert made.turns == ("classifier",)
    loss, stats = made.loss("classifier", batch(), 0.0)
    assert loss == stats["labelled"] and "unlabelled" not in stats


def test_a_stateful_term_is_a_player_without_turns() -> None:
    class Term(nn.Module):
        def forward(self, classifier: nn.Module, of: Batch, at: float) -> tuple[Tensor, dict[str, Tensor]]:
            return of.x.new_tensor(2.0), {"seen": of.x.new_tensor(7.0)}

    made = game(terms={"kept": Term()})
    assert set(made.players) == {"generator", "classifier", "kept"} and "kept" not in made.turns
    assert made.loss("classifier", batch(), 0.0)[1]["seen"] == 7
