"""Networks of sounds play on pictures and give waveforms."""

from __future__ import annotations

import pytest
import torch

from sparring.engine.data_spec import AudioSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.recipes.generators.r3 import R3

SPEC = AudioSpec(8000, 3000, ("a", "b"), 40, covered=2500)
CPU = Hardware(torch.device("cpu"), bf16=False)


def nets() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return R3(width=4).resolve(SPEC, CPU).nets(SPEC)


def test_the_generator_makes_pictures_in_training_and_sounds_in_use() -> None:
    generator = nets()["generator"]
    z, y = torch.randn(3, 64), torch.tensor([0, 1, -1])
    assert generator.train()(z, y).shape == (3, 1, 48, 32)
    with torch.no_grad():
        waves = generator.eval()(z, y)
    assert waves.shape == (3, 1, 3000) and float(waves.abs().max()) <= 1


def test_the_discriminator_takes_either() -> None:
    discriminator = nets()["discriminator"].eval()
    x, y = torch.rand(4, 1, 3000) - 0.5, torch.tensor([0, 1, -1, 1])
    pictures = discriminator.represent(x)  # type: ignore[operator]
    assert torch.equal(discriminator(x, y), discriminator(pictures, y))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_turn_is_played_on_pictures_and_reaches_the_weights_of_one_player(player: str) -> None:
    recipe = R3(width=4).resolve(SPEC, CPU)
    assert recipe.augment == "sound"
    players = nets()
    game = recipe.system(SPEC, players, 100).game
    loss, _ = game.loss(player, Batch(torch.rand(4, 1, 3000) - 0.5, torch.tensor([0, 1, 1, 0]), seed=1), 0.0)
    loss.backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in players[player].parameters())


def test_settings_of_images_are_refused() -> None:
    for settings, message in (
        ({"augment": "ada"}, "--augment ada is for images.*take sound or none"),
        ({"mirror": True}, "--mirror is for images, these are recordings"),
        ({"hints": "smooth"}, "--hints is for images"),
    ):
        with pytest.raises(UsageError, match=message):
            R3(**settings).resolve(SPEC, CPU)
