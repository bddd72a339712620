"""The game of a flow and a discriminator: its loss is the sum of likelihood and GAN."""

import math

import pytest
import torch

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch, freeze_others
from sparring.engine.loop import System, play
from sparring.engine.schedules import constant, ramp
from sparring.games.flowgan import FlowGAN
from sparring.games.gan import GAN, HasLogits
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2
from sparring.nets.flow import ImageFlow
from sparring.nets.strided_gan import Discriminator

SHAPE = (1, 6, 6)
DIM = 36


def players() -> GAN:
    torch.manual_seed(0)
    generator, discriminator = ImageFlow(SHAPE, steps=2, hidden=6), Discriminator(SHAPE, 4, 8)
    with torch.no_grad():
        for p in (*generator.parameters(), *discriminator.parameters()):
            p.add_(torch.randn_like(p) * 0.1)
    generator.started.fill_(1)
    objective = OBJECTIVES["relativistic"]
    return GAN(generator, discriminator, objective, latent_dim=DIM, penalties=[r1(0.1), r2(0.1)])


def batch() -> Batch:
    x = torch.randint(0, 256, (4, *SHAPE), generator=torch.Generator().manual_seed(2)) / 127.5 - 1
    return Batch(x, torch.full((4,), -1), seed=7)


def test_the_loss_of_the_generator_is_the_weighted_sum() -> None:
    gan = players()
    flow = gan.players["generator"]
    loss, stats = FlowGAN(gan, weight=3.0, game_weight=constant(0.5)).loss("generator", batch(), 0.0)
    drawn = batch()
    adversarial, _ = gan.loss("generator", drawn, 0.0)
    bits = -flow.bound(drawn.x, drawn.normal(*SHAPE)).mean() / (DIM * math.log(2))  # type: ignore[operator]
    torch.testing.assert_close(loss, 0.5 * adversarial + 3 * bits)
    torch.testing.assert_close((stats["adversarial"], stats["bits"]), (adversarial, bits))
    only, stats = FlowGAN(gan, weight=0.0, game_weight=constant(1.0)).loss("generator", batch(), 0.0)
    torch.testing.assert_close(only, adversarial)
    assert stats.keys() == {"adversarial"}


def test_the_game_reaches_the_flow_through_the_grey_values() -> None:
    gan = players()
    loss, _ = FlowGAN(gan, weight=0.0, game_weight=constant(1.0)).loss("generator", batch(), 0.0)
    couplings = [p for name, p in gan.players["generator"].named_parameters() if "net" in name]
    grads = torch.autograd.grad(loss, couplings, allow_unused=True)
    assert all(g is not None and torch.isfinite(g).all() for g in grads) and any(g.any() for g in grads)


def test_the_discriminator_waits_for_the_game_and_then_plays_it() -> None:
    gan = players()
    game = FlowGAN(gan, weight=1.0, game_weight=ramp(0.5, 0.2))
    discriminator = gan.players["discriminator"]
    adam = torch.optim.Adam(discriminator.parameters(), 0.1)
    before = [p.clone() for p in discriminator.parameters()]
    for at in (0.0, 0.5):
        with freeze_others(game, "discriminator"):
            loss, stats = game.loss("discriminator", batch(), at)
            loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        assert loss == 0 and not stats and not adam.state
    assert all(torch.equal(p, old) for p, old in zip(discriminator.parameters(), before, strict=True))
    with freeze_others(game, "discriminator"):
        loss, stats = game.loss("discriminator", batch(), 0.6)
        loss.backward()  # type: ignore[no-untyped-call]
    expected, _ = gan.loss("discriminator", batch(), 0.6)
    torch.testing.assert_close(loss, expected)
    assert all(p.grad is not None for p in discriminator.parameters()) and stats.keys() >= {"real_logit", "penalty"}


def test_without_the_game_it_is_maximum_likelihood() -> None:
    game = FlowGAN(players(), weight=1.0, game_weight=ramp(0.5, 0.2))
    loss, stats = game.loss("generator", batch(), 0.2)
    assert stats.keys() == {"bits"}
    torch.testing.assert_close(loss, stats["bits"])


def test_binary_images_are_drawn_for_both_players() -> None:
    gan = players()
    game, seen = FlowGAN(gan, weight=0.0, game_weight=constant(1.0), binary=True), []
    gan.forward = lambda net, x, y: seen.extend(x) or [net(images) for images in x]  # type: ignore[func-returns-value]
    game.loss("discriminator", batch(), 0.0)
    assert set(seen[0].unique().tolist()) == {-1.0, 1.0}
    assert isinstance(game, HasLogits) and game.logits(batch().x, batch().y).shape == (4,)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_short_run_changes_both_players_and_stays_finite(weight: float) -> None:
    class Source:
        batch_size = 4

        def batches(self, nimg: int, turn: int) -> list[Batch]:
            return [Batch(batch().x, batch().y, nimg // 4, nimg * 2 + turn)]

    gan = players()
    game = FlowGAN(gan, weight=weight, game_weight=ramp(0.2, 0.2) if weight else constant(1.0))
    before = {name: [p.clone() for p in net.parameters()] for name, net in game.players.items()}
    adams = {name: torch.optim.Adam(net.parameters(), 1e-3, fused=True) for name, net in game.players.items()}
    hardware = Hardware(torch.device("cpu"), bf16=False)
    play(System(game, adams, EMA(gan.players["generator"], lambda at: 10.0)), Source(), total=40, hardware=hardware)
    for name, net in game.players.items():
        assert all(torch.isfinite(p).all() for p in net.parameters())
        assert any(not torch.equal(p, old) for p, old in zip(net.parameters(), before[name], strict=True))
