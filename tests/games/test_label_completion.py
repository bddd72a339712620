"""Label completion: closed forms of the heads' losses, and clustering."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.errors import UsageError
from sparring.engine.game import Batch, freeze_others
from sparring.games.gan import GAN
from sparring.games.label_completion import LabelCompletion, balanced_assignments, rotations_for
from sparring.games.objectives import OBJECTIVES
from sparring.nets.auxiliary_heads import AuxiliaryHeads

SHAPE, CLASSES = (1, 4, 4), 3


class Body(nn.Module):
    """A discriminator in two halves, on the pixels themselves."""

    feature_count = 16

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(16, 1)
        self.of_class = nn.Embedding(CLASSES + 1, 16)

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def logits(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.out(h).squeeze(1)
        return logits if y is None else logits + (h * self.of_class(y)).sum(1)


class G(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 16)
        self.asked: list[Tensor] = []

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        self.asked.append(y)
        return torch.tanh(self.body(z)).view(-1, *SHAPE)


def headed(rotations: int = 4) -> AuxiliaryHeads:
    torch.manual_seed(0)
    return AuxiliaryHeads(Body(), CLASSES, rotations)


def silent(net: AuxiliaryHeads) -> AuxiliaryHeads:
    """Set both heads to uniform predictions."""
    for head in (net.classes, net.rotations):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    return net


def batch(y: list[int]) -> Batch:
    x = torch.randn(len(y), *SHAPE, generator=torch.Generator().manual_seed(1))
    return Batch(x, torch.tensor(y), seed=2)


def told_by(completion: LabelCompletion, net: AuxiliaryHeads, b: Batch) -> dict[str, Tensor]:
    """Return the discriminator's loss of each head."""
    loss, told = completion.discriminator_loss(net, b)
    assert loss.requires_grad
    return {name: torch.as_tensor(value).detach() for name, value in told.items()}


def test_missing_labels_are_predicted_and_others_stay() -> None:
    net, b = headed(), batch([0, -1, 2, -1])
    guess = net.class_logits(b.x).argmax(1)
    found = LabelCompletion().labels(net, b)
    assert found.tolist() == [0, int(guess[1]), 2, int(guess[3])]


def test_clusters_ignore_labels() -> None:
    """A single class has no clusters."""
    net, b = headed(), batch([0, 0, 0, 0])
    assert torch.equal(LabelCompletion(clusters=True).labels(net, b), net.class_logits(b.x).argmax(1))


def test_a_discriminator_without_heads_is_refused() -> None:
    with pytest.raises(UsageError, match="wrap it in"):
        LabelCompletion().labels(Body(), batch([-1]))


def test_classes_are_learned_from_labelled_images_only() -> None:
    net, b = headed(), batch([0, -1, 2, -1])
    told = told_by(LabelCompletion(), net, b)
    known = cross_entropy(net.class_logits(b.x[[0, 2]]), torch.tensor([0, 2]))
    torch.testing.assert_close(told["class_loss"], known.detach())
    none = told_by(LabelCompletion(), net, batch([-1, -1]))
    assert float(none["class_loss"]) == 0


def test_with_few_labels_a_labelled_batch_is_used() -> None:
    net, b = headed(), batch([-1, -1])
    other = batch([1, 2, 0])
    told = told_by(LabelCompletion(), net, replace(b, labelled=lambda: (other.x, other.y)))
    torch.testing.assert_close(told["class_loss"], cross_entropy(net.class_logits(other.x), other.y).detach())


def test_uniform_predictions_have_the_loss_log_k() -> None:
    told = told_by(LabelCompletion(), silent(headed()), batch([0, 1, 2, 0]))
    assert float(told["class_loss"]) == pytest.approx(math.log(CLASSES))
    assert float(told["rotation_loss"]) == pytest.approx(math.log(4))
    told = told_by(LabelCompletion(clusters=True), silent(headed()), batch([-1] * 4))
    assert float(told["class_loss"]) == pytest.approx(math.log(CLASSES))


def test_confident_balanced_stable_clusters_have_no_loss() -> None:
    """Images of one grey each, which no shift changes; the head is sure of each, and each is as frequent."""
    net = silent(headed())
    grey = torch.tensor([-1.0, 0.0, 1.0])
    with torch.no_grad():  # logits of -200 (g + 1)^2, -200 g^2, -200 (g - 1)^2, but for what all share
        net.classes.weight.copy_(torch.tensor([-400.0, 0.0, 400.0])[:, None].expand(-1, 16) / 16)
        net.classes.bias.copy_(torch.tensor([-200.0, 0.0, -200.0]))
    b = Batch(grey.view(3, 1, 1, 1).expand(3, *SHAPE).clone(), torch.full((3,), -1), seed=1)
    told = told_by(LabelCompletion(clusters=True), net, b)
    assert float(told["class_loss"]) == pytest.approx(0, abs=1e-5)


def test_assignments_fill_all_clusters_equally() -> None:
    """Even where all rows like one cluster best: those that like it most keep it."""
    logits = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([5.0, 0.0, -5.0])
    shares = balanced_assignments(logits, iterations=50)
    torch.testing.assert_close(shares.sum(1), torch.ones(60))
    torch.testing.assert_close(shares.sum(0), torch.full((3,), 20.0), rtol=1e-3, atol=1e-3)
    assert shares[logits[:, 0].argmax(), 0] > shares[logits[:, 0].argmin(), 0]
    silent_ones = balanced_assignments(torch.zeros(4, 3))
    torch.testing.assert_close(silent_ones, torch.full((4, 3), 1 / 3))


def test_clusters_are_learned() -> None:
    """Three kinds of stripes without labels."""
    torch.manual_seed(0)
    kinds = torch.stack([torch.eye(4).roll(k, 1) * 2 - 1 for k in (0, 1, 2)])
    truth = torch.arange(3).repeat(20)
    x = kinds[truth][:, None] + 0.2 * torch.randn(60, *SHAPE)
    net = AuxiliaryHeads(Body(), CLASSES, 4)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    completion = LabelCompletion(clusters=True, rotation_weight=0.0)
    for step in range(200):
        optimizer.zero_grad()
        completion.discriminator_loss(net, Batch(x, truth * 0 - 1, seed=step))[0].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = completion.labels(net, Batch(x, truth * 0 - 1))
    pairs = set(zip(truth.tolist(), found.tolist(), strict=True))
    assert len(pairs) == 3 and len({cluster for _, cluster in pairs}) == 3


def test_rotations_preserve_the_size() -> None:
    assert rotations_for(4, 4) == (0, 1, 2, 3) and rotations_for(4, 5) == (0, 2)
    net = AuxiliaryHeads(Wide(), CLASSES, 2)
    b = Batch(torch.randn(5, 1, 2, 8), torch.zeros(5, dtype=torch.int64))
    assert torch.isfinite(told_by(LabelCompletion(), net, b)["rotation_loss"])


class Wide(Body):
    """On images of 2x8."""


def test_both_players_are_conditioned_on_completed_labels() -> None:
    generator, net = G(), headed()
    game = GAN(
        generator, net, OBJECTIVES["hinge"], latent_dim=2, conditional=True, completion=LabelCompletion()
    )  # fmt: skip
    b = batch([0, -1, 2, -1])
    full = LabelCompletion().labels(net, b)
    loss, told = game.loss("discriminator", b, 0.0)
    assert torch.equal(generator.asked[-1], full)
    plain = GAN(generator, net, OBJECTIVES["hinge"], latent_dim=2, conditional=True)
    alone, _ = plain.loss("discriminator", replace(b, y=full), 0.0)
    torch.testing.assert_close(loss, alone + told["heads"])
    with freeze_others(game, "generator"):
        loss, told = game.loss("generator", replace(b), 0.0)
        loss.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(generator.asked[-1], full) and told["generator_heads"] > 0
    assert all(p.grad is None for p in net.parameters())
    assert all(p.grad is not None for p in generator.parameters())
