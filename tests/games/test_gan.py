"""The GAN game against a textbook version with separate forwards and one penalty at a time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Game, freeze_others
from sparring.games.gan import GAN, DiscriminatorForward, HasLogits, joint_forward, separate_forward
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import Penalty, r1, r2, wgan_gp

CLASSES, LATENTS, SHAPE = 3, 4, (2, 3, 3)


class G(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(LATENTS, 18)
        self.classes = nn.Embedding(CLASSES + 1, 18)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.body(z.double())
        return torch.tanh(h if y is None else h + self.classes(y % (CLASSES + 1))).view(-1, *SHAPE)


class D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(18, 8), nn.Softplus())
        self.head = nn.Linear(8, 1)
        self.classes = nn.Embedding(CLASSES + 1, 8)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.body(x)
        logits: Tensor = self.head(h).squeeze(1)
        return logits if y is None else logits + (h * self.classes(y % (CLASSES + 1))).sum(1)


def game(
    objective: str = "relativistic",
    penalties: tuple[Penalty, ...] = (),
    judge: DiscriminatorForward = joint_forward,
    conditional: bool = False,
) -> GAN:
    torch.manual_seed(0)
    return GAN(
        G().double(), D().double(), OBJECTIVES[objective], latent_dim=LATENTS, penalties=penalties, forward=judge,
        conditional=conditional,
    )  # fmt: skip


def batch(step: int = 0) -> Batch:
    x = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(x, torch.tensor([0, 1, 2, -1, 0, 1]), step, seed=5)


def textbook(g: GAN, b: Batch, penalties: tuple[Penalty, ...], at: float) -> Tensor:
    """D's loss as papers write it: one forward for each of real, fake, and each penalty."""
    generator, discriminator = g.players["generator"], g.players["discriminator"]
    y = (b.y,) if g.conditional else ()
    fake = generator(b.normal(LATENTS), *y).detach()
    loss = g.objective.discriminator(discriminator(b.x, *y), discriminator(fake, *y))
    share = b.uniform().view(-1, 1, 1, 1)
    for penalty in penalties:
        x = (
            {"real": b.x, "fake": fake, "interpolated": share * b.x + (1 - share) * fake}[penalty.location]
            .clone()
            .requires_grad_()
        )
        (gradient,) = torch.autograd.grad(discriminator(x, *y).sum(), x, create_graph=True)
        loss = loss + penalty.function(gradient).mean() * penalty.weight(at) * penalty.interval
    return loss


def gradients(g: Game, player: str, loss: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*g.players[player].named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {name: value for name, value in zip(names, found, strict=True) if value is not None}


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("judge", [joint_forward, separate_forward])
@pytest.mark.parametrize(
    "penalties",
    [(), (r1(1.0),), (r2(0.5),), (r1(1.0), r2(2.0, 4)), (wgan_gp(),), (r1(0.3), r2(0.2), wgan_gp(4.0))],
    ids=["none", "r1", "r2", "r1+r2", "wgan_gp", "all"],
)
def test_one_joint_forward_equals_the_textbook(
    penalties: tuple[Penalty, ...], judge: DiscriminatorForward, conditional: bool
) -> None:
    g = game("relativistic", penalties, judge, conditional)
    loss, stats = g.loss("discriminator", batch(), at=0.5)
    expected = textbook(g, batch(), penalties, at=0.5)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    mine, theirs = gradients(g, "discriminator", loss), gradients(g, "discriminator", expected)
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-10, atol=1e-10)
    assert {"real_logit", "fake_logit"} <= stats.keys() and ("penalty" in stats) == bool(penalties)


def test_a_lazy_penalty_is_skipped_between_its_rounds() -> None:
    lazy, plain = game(penalties=(r1(1.0, 4),)), game()
    for step in range(6):
        loss, stats = lazy.loss("discriminator", batch(step), 0)
        bare, _ = plain.loss("discriminator", batch(step), 0)
        assert ("penalty" in stats) == (step % 4 == 0) == bool(loss > bare)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_turn_updates_one_player(objective: str, conditional: bool) -> None:
    g = game(objective, (r1(1.0), wgan_gp()), conditional=conditional)
    for player, other in (("discriminator", "generator"), ("generator", "discriminator")):
        for net in g.players.values():
            net.zero_grad()
        with freeze_others(g, player):
            loss, _ = g.loss(player, batch(), 0)
            loss.backward()
        assert all(p.grad is None for p in g.players[other].parameters())
        used = {k for k, p in g.players[player].named_parameters() if conditional or not k.startswith("classes")}
        assert {k for k, p in g.players[player].named_parameters() if p.grad is not None} == used
        assert all(p.requires_grad for net in g.players.values() for p in net.parameters())


def test_the_generators_loss_is_the_textbooks() -> None:
    g, b = game(), batch()
    generator, discriminator = g.players["generator"], g.players["discriminator"]
    expected = nn.functional.softplus(discriminator(b.x) - discriminator(generator(b.normal(LATENTS)))).mean()
    torch.testing.assert_close(g.loss("generator", batch(), 0)[0], expected)


def test_labels_matter_where_the_game_is_conditional() -> None:
    g, other = game(conditional=True), replace(batch(), y=torch.zeros(6, dtype=torch.int64))
    assert g.loss("discriminator", batch(), 0)[0] != g.loss("discriminator", replace(other), 0)[0]
    g = game()
    assert g.loss("discriminator", batch(), 0)[0] == g.loss("discriminator", replace(other), 0)[0]


def test_separate_forward_normalises_each_batch_separately() -> None:
    norm = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(2, affine=False), nn.Linear(2, 1), nn.Flatten(0))
    x = [torch.randn(8, 2), torch.randn(8, 2) * 3 + 5]
    for got, part in zip(separate_forward(norm, x, []), x, strict=True):
        torch.testing.assert_close(got, norm(part))
    assert not torch.allclose(joint_forward(norm, x, [])[0], norm(x[0]))


def test_more_turns_for_the_discriminator() -> None:
    g = GAN(G(), D(), OBJECTIVES["wasserstein"], latent_dim=LATENTS, discriminator_steps=5)
    assert g.turns == ("discriminator",) * 5 + ("generator",)


def test_the_discriminators_loss_never_reaches_the_generator() -> None:
    g = game(penalties=(r1(1.0), wgan_gp()))
    g.loss("discriminator", batch(), 0)[0].backward()  # without freeze_others
    assert all(p.grad is None for p in g.players["generator"].parameters())


@pytest.mark.parametrize("conditional", [False, True])
def test_logits_change_no_state(conditional: bool) -> None:
    class D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Dropout(0.5))
            self.frozen = nn.BatchNorm1d(12)
            self.head = nn.Linear(12, 2)

        def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
            h: Tensor = self.head(self.frozen(self.body(x)))
            return h[:, 0] if y is None else h.gather(1, y[:, None])[:, 0]

    torch.manual_seed(0)
    judge = D().train()
    judge.frozen.eval()  # someone's own choice
    game = GAN(nn.Identity(), judge, OBJECTIVES["nonsaturating"], latent_dim=2, conditional=conditional)
    assert isinstance(game, HasLogits)
    before = {k: v.clone() for k, v in judge.state_dict().items()}
    rng = torch.get_rng_state()
    x, y = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 2
    logits = game.logits(x, y)
    assert logits.shape == (6,) and not logits.requires_grad
    assert torch.equal(logits[:3], game.logits(x[:3], y[:3]))
    assert torch.equal(logits, game.logits(x, 1 - y)) is not conditional
    assert all(torch.equal(before[k], v) for k, v in judge.state_dict().items())
    assert torch.equal(rng, torch.get_rng_state())
    assert judge.training and judge.body.training and not judge.frozen.training


class Doubling(nn.Module):
    """An augmentation that shows everything twice as bright, and counts what it saw."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        return 2 * x

    def observe(self, real: Tensor, fake: Tensor) -> None:
        assert not real.requires_grad and not fake.requires_grad
        self.seen += len(real)

    def stats(self) -> dict[str, Tensor | float]:
        return {"seen": self.seen.clone()}


class Bright(nn.Module):
    """D(2 x)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.inner(2 * x)
        return logits


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_d_sees_everything_through_the_augmentation_and_so_do_penalties(player: str) -> None:
    torch.manual_seed(0)
    generator, discriminator = G().double(), D().double()
    penalties = [r1(0.7), r2(0.3), wgan_gp(2.0)]
    how = {"latent_dim": LATENTS, "penalties": penalties}
    one = GAN(generator, discriminator, OBJECTIVES["relativistic"], augment=Doubling(), **how)  # type: ignore[arg-type]
    two = GAN(generator, Bright(discriminator), OBJECTIVES["relativistic"], **how)  # type: ignore[arg-type]
    a, told = one.loss(player, batch(), 0.5)
    b, _ = two.loss(player, batch(), 0.5)
    torch.testing.assert_close(a, b)
    assert (torch.as_tensor(told["seen"]) == 6) if player == "discriminator" else ("seen" not in told)


def test_a_stateful_augmentation_is_a_player_without_turns() -> None:
    augment = Doubling()
    g = GAN(G(), D(), OBJECTIVES["hinge"], latent_dim=LATENTS, augment=augment)
    assert g.players["augment"] is augment and set(g.turns) == {"discriminator", "generator"}
    g.logits(batch().x.float(), batch().y)
    assert float(augment.seen) == 0  # asking D changes nothing


def test_terms_are_added_to_the_generators_loss() -> None:
    plain, paid = game(), game()
    paid.terms["brightness"] = lambda generator, fake, real: 3 * (fake.mean() - real.mean())
    loss, told = paid.loss("generator", batch(), 0.0)
    alone, _ = plain.loss("generator", batch(), 0.0)
    torch.testing.assert_close(loss, alone + told["brightness"])
    assert gradients(paid, "generator", loss)
    assert "brightness" not in paid.loss("discriminator", batch(), 0.0)[1]
