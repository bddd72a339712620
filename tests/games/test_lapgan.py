"""The game of LAPGAN against a textbook version with an independent GAN at each level."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch, Game, freeze_others
from sparring.engine.loop import System, play
from sparring.games.gan import HasLogits
from sparring.games.lapgan import LAPGAN
from sparring.games.objectives import OBJECTIVES
from sparring.nets.laplacian import Discriminator, Generator, pyramid
from sparring.recipes.generators.lapgan import LAPGAN as Recipe

SIZES, LATENTS, CLASSES = [(17, 14), (8, 7), (4, 3)], 7, 3


def game(objective: str = "nonsaturating", **settings: Any) -> LAPGAN:
    torch.manual_seed(0)
    classes = CLASSES if settings.get("conditional") else 0
    generator = Generator(2, SIZES, LATENTS, 4, 8, classes)
    discriminator = Discriminator(2, SIZES, 4, 10, classes).eval()  # no dropout
    for net in (generator, discriminator):
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, 0, 0.2)
    return LAPGAN(generator, discriminator, OBJECTIVES[objective], **settings)


def batch() -> Batch:
    x = torch.randn(6, 2, *SIZES[0], generator=torch.Generator().manual_seed(1)).tanh()
    return Batch(x, torch.tensor([0, 1, 2, -1, 0, 1]), seed=5)


def by_hand(g: LAPGAN, k: int) -> tuple[Tensor, Tensor]:
    """Level k's logits of its real and of its generated images (section 2.3)."""
    generator, discriminator = g.players["generator"], g.players["discriminator"]
    assert isinstance(generator, Generator) and isinstance(discriminator, Discriminator)
    b = batch()
    y = (b.y,) if g.conditional else ()
    image, low = pyramid(b.x, SIZES)[k]
    made = generator.levels[k](generator.split(b.normal(LATENTS))[k], low, *y)
    return discriminator.levels[k](image, *y), discriminator.levels[k](made, *y)


@pytest.mark.parametrize("conditional", [False, True])
def test_the_losses_are_the_sums_of_the_levels(conditional: bool) -> None:
    g = game(conditional=conditional)
    levels = [by_hand(g, k) for k in range(3)]
    loss, stats = g.loss("discriminator", batch(), 0)
    expected = sum(softplus(-real).mean() + softplus(fake).mean() for real, fake in levels)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(stats["real_logit"], sum(real.mean() for real, _ in levels))
    torch.testing.assert_close(stats["fake_logit"], sum(fake.mean() for _, fake in levels))
    loss, _ = g.loss("generator", batch(), 0)
    torch.testing.assert_close(loss, sum(softplus(-fake).mean() for _, fake in levels))
    g = game("relativistic", conditional=conditional)
    loss, _ = g.loss("generator", batch(), 0)
    torch.testing.assert_close(loss, sum(softplus(real - fake).mean() for real, fake in levels))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_turn_trains_one_player_at_all_levels(player: str) -> None:
    g: Game = game(conditional=True)
    g.loss(player, batch(), 0)[0].backward()
    assert all(p.grad is not None and p.grad.any() for p in g.players[player].parameters())
    if player == "discriminator":
        assert all(p.grad is None for p in g.players["generator"].parameters())


def test_one_by_one_starts_with_the_coarsest_level() -> None:
    g = game(one_by_one=True)
    assert [list(g.active_levels(at)) for at in (0, 0.33, 0.34, 0.66, 0.67, 1)] == [[2], [2], [1], [1], [0], [0]]
    assert list(game().active_levels(0)) == [0, 1, 2]


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_one_by_one_is_the_same_game_a_level_at_a_time(player: str) -> None:
    whole, single = game(), game(one_by_one=True)
    whole.loss(player, batch(), 0)[0].backward()
    for at, k in ((0.0, 2), (0.5, 1), (0.9, 0)):
        single.players[player].zero_grad()
        with freeze_others(single, player):
            loss, stats = single.loss(player, batch(), at)
            loss.backward()
        if stats:
            torch.testing.assert_close(stats["real_logit"], by_hand(single, k)[0].mean())
        old = dict(whole.players[player].named_parameters())
        for name, p in single.players[player].named_parameters():
            plays = name.startswith(f"levels.{k}.")
            assert p.requires_grad is plays and (p.grad is not None) is plays  # several processes average no zeros
            if plays:
                torch.testing.assert_close(p.grad, old[name].grad)


def test_inactive_levels_do_not_change() -> None:
    class BatchLoader:
        batch_size = 6

        def batches(self, nimg: int, turn: int) -> list[Batch]:
            return [batch()]

    g = game(one_by_one=True)
    adams = {name: torch.optim.Adam(net.parameters(), 1e-3) for name, net in g.players.items()}
    system = System(g, adams, EMA(g.players["generator"], lambda at: 10.0))
    cpu = Hardware(torch.device("cpu"), bf16=False)
    for start, k in ((0, 2), (24, 1), (48, 0)):
        before = {(n, key): t.clone() for n, net in g.players.items() for key, t in net.state_dict().items()}
        left = iter([False] * 4 + [True])
        play(system, BatchLoader(), total=72, start=start, hardware=cpu, should_stop=lambda left=left: next(left))
        for name, net in g.players.items():
            for key, t in net.state_dict().items():
                assert torch.equal(t, before[name, key]) is not key.startswith(f"levels.{k}."), (start, name, key)


@pytest.mark.parametrize("conditional", [False, True])
def test_logits_of_full_images(conditional: bool) -> None:
    g, b = game(conditional=conditional), batch()
    judge = g.players["discriminator"].train()
    assert isinstance(g, HasLogits)
    logits = g.logits(b.x, b.y)
    expected = judge.eval()(b.x, b.y if conditional else None)
    assert logits.shape == (6,) and not logits.requires_grad and torch.equal(logits, expected)


def test_the_recipe_reports_the_possible_levels() -> None:
    spec, cpu = ImageSpec(112, 92, 1, (), 100), Hardware(torch.device("cpu"), bf16=False)
    assert Recipe().resolve(spec, cpu).levels == 4
    assert [len(net.sizes) for net in Recipe(levels=2).resolve(spec, cpu).nets(spec).values()] == [2, 2]
    for levels in (1, 5):
        with pytest.raises(UsageError, match=f"--levels must be 2 to 4 for 112x92 images, not {levels}"):
            Recipe(levels=levels).resolve(spec, cpu)
    with pytest.raises(UsageError, match="--latent-dim must be 4 or more, one for each level, not 3"):
        Recipe(latent_dim=3).resolve(spec, cpu)
    with pytest.raises(UsageError, match=r"8x8 images .* --size 14x14 or larger, or --recipe dcgan"):
        Recipe().resolve(ImageSpec(8, 8, 1, (), 100), cpu)
