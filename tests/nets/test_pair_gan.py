"""Networks of pairs: what shared and private noise reach, and what a discriminator of pairs sees."""

from __future__ import annotations

import pytest
import torch

from sparring.engine.data_spec import AudioSpec, ImageSpec, PairSpec, SeriesSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch, freeze_others
from sparring.engine.pair_spec import split_flat
from sparring.games.objectives import OBJECTIVES
from sparring.recipes.generators.r3 import R3

CLASSES = ("a", "b")
SPEC = PairSpec((AudioSpec(8000, 3000, CLASSES, 40, covered=2500), ImageSpec(8, 6, 1, CLASSES, 9000)), CLASSES, 9000)
INNER = [(1, 48, 32), (1, 8, 6)]
CPU = Hardware(torch.device("cpu"), bf16=False)


def recipe(**settings: object) -> R3:
    return R3(width=8, latent_dim=7, **settings).resolve(SPEC, CPU)  # type: ignore[arg-type]


def nets(**settings: object) -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return recipe(**settings).nets(SPEC)


def test_shared_noise_reaches_both_halves_and_private_noise_one() -> None:
    generator = nets()["generator"].train()
    assert generator.latent_dim == 4 + 2 * 3  # half of the noise of each half is shared
    z, y = torch.randn(2, 10), torch.tensor([0, 1])
    base = split_flat(generator(z, y), INNER)
    for columns, changes in ((slice(0, 4), (True, True)), (slice(4, 7), (True, False)), (slice(7, 10), (False, True))):
        other = z.clone()
        other[:, columns] += 1
        halves = split_flat(generator(other, y), INNER)
        assert tuple(not torch.equal(a, b) for a, b in zip(base, halves, strict=True)) == changes


def test_the_generator_gives_network_input_in_use() -> None:
    generator = nets()["generator"].eval()
    with torch.no_grad():
        x = generator(torch.randn(3, 10), torch.tensor([0, 1, -1]))
    assert x.shape == (3, *SPEC.shape) and SPEC.decode(x).shape == (3,)


def test_the_discriminator_takes_network_input_and_what_the_generator_makes() -> None:
    discriminator = nets()["discriminator"]
    x, y = torch.rand(4, *SPEC.shape) - 0.5, torch.tensor([0, 1, -1, 1])
    inner = discriminator.represent(x)  # type: ignore[operator]
    assert inner.shape == (4, 48 * 32 + 48)
    assert torch.equal(discriminator(x, y), discriminator(inner, y))
    torch.testing.assert_close(discriminator(x, y)[:1], discriminator(x[:1], y[:1]))  # of its own row alone


def test_mismatched_pairs_are_real_halves_of_two_pairs() -> None:
    discriminator = nets()["discriminator"]
    x = torch.randn(3, 48 * 32 + 48)
    first, second = split_flat(discriminator.mismatched(x), INNER)  # type: ignore[operator]
    sounds, images = split_flat(x, INNER)
    assert torch.equal(first, sounds) and torch.equal(second, images[[2, 0, 1]])


def test_gradients_of_each_half_have_its_own_weight() -> None:
    discriminator = nets()["discriminator"]
    gradient = torch.ones(1, 48 * 32 + 48)
    sound = R3().resolve(SPEC.halves[0], CPU).gamma
    image = R3().resolve(SPEC.halves[1], CPU).gamma
    assert sound is not None and image is not None
    expected = sound * 48 * 32 + image * 48
    assert float(discriminator.squared_gradient(gradient)) == pytest.approx(expected, rel=1e-5)  # type: ignore[operator]


@pytest.mark.parametrize("labels", [True, False])
def test_both_players_learn_and_mismatched_pairs_count_as_fake(labels: bool) -> None:
    players = nets(labels=labels)
    game = recipe(labels=labels, augment="none").system(SPEC, players, 100).game
    batch = Batch(torch.rand(4, *SPEC.shape) - 0.5, torch.tensor([0, 1, 1, 0]), seed=1)
    for player in game.turns:
        with freeze_others(game, player):
            loss, stats = game.loss(player, batch, 0.0)
        loss.backward()
        assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in players[player].parameters())
        if player == "discriminator":
            net, objective = players["discriminator"], OBJECTIVES["relativistic"]
            given = (batch.y,) if labels else ()
            inner = net.represent(batch.x)  # type: ignore[operator]
            fresh = Batch(batch.x, batch.y, seed=1)
            fake = players["generator"](fresh.normal(10), *given)
            real, made, mixed = (net(x, *given) for x in (inner, fake, net.mismatched(inner)))  # type: ignore[operator]
            expected = objective.discriminator(real, made) + objective.discriminator(real, mixed)
            torch.testing.assert_close(loss - stats["penalty"], expected)


def test_an_augmentation_changes_the_half_that_needs_it() -> None:
    assert recipe().augment == "halves"
    players = nets()
    augment = recipe().system(SPEC, players, 100).game.players["augment"]
    x = torch.rand(6, 48 * 32 + 48)
    before, after = split_flat(x, INNER), split_flat(augment(x, Batch(x, torch.zeros(6))), INNER)
    assert not torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])


def test_settings_and_kinds_that_pairs_do_not_have_are_refused() -> None:
    for settings, message in (
        ({"augment": "ada"}, "--augment ada is for one kind of data, these are pairs: take halves or none"),
        ({"mirror": True}, "--mirror is for images, these are pairs"),
    ):
        with pytest.raises(UsageError, match=message):
            R3(**settings).resolve(SPEC, CPU)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="pairs of images and recordings; one of the sources holds series"):
        R3().resolve(PairSpec((SeriesSpec(("x",), 9), SPEC.halves[1])), CPU)
