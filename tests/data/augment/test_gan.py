"""Augmentation: what the papers say of it, derivatives, and that it does not leak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sparring.data.augment.gan import ADA, AUGMENTS, DiffAugment, colouring, motion_inverse
from sparring.data.augment.warp import warp
from sparring.engine.game import Batch
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2
from sparring.measure.diagnostics.augmentation_leaks import Leak, augmentation_leaks

SHAPES = [(1, 1, 1), (3, 1, 1), (3, 1, 40), (2, 5, 3), (3, 17, 23), (4, 8, 8), (1, 92, 112), (7, 4, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
every_name = pytest.mark.parametrize("name", AUGMENTS)


def batch_of(*shape: int, seed: int = 3, dtype: torch.dtype = torch.float32) -> Batch:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).tanh().to(dtype)
    return Batch(x, torch.full((len(x),), -1), seed=seed)


def augment_of(name: str, shape: tuple[int, int, int], p: float = 0.9) -> DiffAugment | ADA:
    augment = AUGMENTS[name](shape)
    if isinstance(augment, ADA):
        augment.p.fill_(p)
    return augment


@every_name
@every_shape
def test_any_shape(name: str, shape: tuple[int, int, int]) -> None:
    batch = batch_of(16, *shape)
    augment = augment_of(name, shape)
    x = batch.x.requires_grad_()
    seen = augment(x, batch)
    assert seen.shape == x.shape and seen.dtype == torch.float32 and torch.isfinite(seen).all()
    assert not torch.equal(seen, x)
    (gradient,) = torch.autograd.grad(seen.square().sum(), x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    assert not list(augment.parameters())


@every_name
def test_noise_comes_from_the_batch(name: str) -> None:
    """A copy repeats it, a second call does not, and a part of a batch has its rows' share."""
    batch = batch_of(8, 3, 8, 8)
    augment = augment_of(name, (3, 8, 8))
    first, second = augment(batch.x, batch), augment(batch.x, batch)
    assert torch.equal(first, augment(batch.x, replace(batch))) and not torch.equal(first, second)
    part = replace(batch, x=batch.x[2:5], y=batch.y[2:5], batch_slice=slice(2, 5), full_size=8)
    torch.testing.assert_close(augment(part.x, part), first[2:5])


@every_name
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_float32_whatever_is_around(name: str, memory: torch.memory_format) -> None:
    batch = batch_of(8, 3, 8, 6)
    augment = augment_of(name, (3, 8, 6))
    plain = augment(batch.x, replace(batch))
    with torch.autocast("cpu", torch.bfloat16):
        seen = augment(batch.x.contiguous(memory_format=memory), replace(batch))
        assert augment(batch.x.bfloat16(), replace(batch)).dtype == torch.float32
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen, plain)


@every_name
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradients_of_gradients(name: str, channels: int) -> None:
    """Augmentation is affine in the image, so the square after it gives second derivatives something to do."""
    batch = batch_of(3, channels, 3, 4, dtype=torch.float64)
    augment = augment_of(name, (channels, 3, 4), p=1)
    x = batch.x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, replace(batch)), x)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, replace(batch)).square(), x)


def test_gradients_of_gradients_where_few_images_are_changed() -> None:
    batch, augment = batch_of(8, 1, 3, 4, dtype=torch.float64), ADA(start=0.03).double()
    x = batch.x.requires_grad_()
    changed = (augment(x, replace(batch)) != x).flatten(1).any(1)
    assert 0 < int(changed.sum()) <= 4
    assert torch.autograd.gradgradcheck(lambda x: augment(x, replace(batch)).square(), x)


@every_shape
def test_at_zero_images_stay_bit_for_bit(shape: tuple[int, int, int]) -> None:
    batch = batch_of(32, *shape)
    assert torch.equal(ADA()(batch.x, batch), batch.x)


@pytest.mark.parametrize(("p", "fewest", "most"), [(0.01, 41, 63), (0.1, 1, 40)])
def test_images_that_nothing_comes_to_are_left_alone_and_their_gradients_too(p: float, fewest: int, most: int) -> None:
    """Whether few are changed, by themselves, or most, with all the others."""
    x = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = ADA(start=p)(x, Batch(x, torch.zeros(64), seed=3))
    same = (y == x).flatten(1).all(1)
    assert fewest <= int(same.sum()) <= most
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((y * weight).sum(), x)
    torch.testing.assert_close(gradient[same], weight[same])
    assert not torch.allclose(gradient[~same], weight[~same])


def test_a_share_p_of_the_images_changes_of_each_kind() -> None:
    """Images stay by seven changes that do not come, and by flips, turns and whole steps that come to nothing."""
    batch = batch_of(4000, 1, 16, 16)
    augment = ADA(start=0.3)
    geometry = augment(batch.x, batch).flatten(1)
    same = torch.isclose(geometry, batch.x.flatten(1), atol=1e-4).all(1).double().mean()
    zoom = stretch = slide = both_rotations = brightness = contrast = 0.7
    flip, turn, step = 0.7 + 0.3 / 2, 0.7 + 0.3 / 4, 0.7 + 0.3 / 16
    kept = zoom * stretch * slide * both_rotations * brightness * contrast * flip * turn * step
    assert abs(same - kept) < 4 * (kept * (1 - kept) / 4000) ** 0.5


def chances(count: int, p: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    on = torch.rand(count, 8, generator=generator) < p
    u, n = torch.rand(count, 8, generator=generator), torch.randn(count, 7, generator=generator)
    return on, u.double(), n.double()


def only(on: Tensor, *kept: int) -> Tensor:
    chosen = torch.zeros_like(on)
    chosen[:, list(kept)] = on[:, list(kept)]
    return chosen


def test_geometry_is_distributed_as_in_the_paper() -> None:
    """Each change alone, at p = 1, on 20,000 images of 32 x 64; the limits are some four standard errors."""
    on, u, n = chances(20_000, 1)

    def motion(*kept: int, side: int = 64) -> Tensor:
        return motion_inverse(only(on, *kept), u[:, :6], n[:, :4], 32, side).inverse()

    assert abs((motion(0)[:, 0, 0] == -1).double().mean() - 0.5) < 0.015 and (motion(0)[:, 1, 1] == 1).all()
    corner = motion(1, side=32)[:, :2, 0]
    for way in [(1, 0), (0, 1), (-1, 0), (0, -1)]:
        assert abs((corner == torch.tensor(way)).all(1).double().mean() - 0.25) < 0.015
    assert abs((motion(1)[:, 0, 0] == -1).double().mean() - 0.5) < 0.015 and (motion(1)[:, 0, 1] == 0).all()
    steps = motion(2)[:, :2, 2]
    assert (steps == steps.round()).all() and (steps.abs().amax(0) == torch.tensor([8, 4])).all()
    assert (steps.mean(0).abs() < torch.tensor([0.15, 0.08])).all()
    zoom = motion(3)[:, 0, 0].log2()
    assert abs(zoom.mean()) < 0.006 and abs(zoom.std() - 0.2) < 0.005
    for gate in (4, 6):
        angle = torch.atan2(motion(gate)[:, 1, 0], motion(gate)[:, 0, 0])
        assert abs(angle.mean()) < 0.06 and abs(angle.std() - torch.pi / 3**0.5) < 0.03
    stretch = motion(5)
    torch.testing.assert_close(stretch[:, 0, 0] * stretch[:, 1, 1], torch.ones(20_000, dtype=torch.float64))
    assert abs(stretch[:, 0, 0].log2().mean()) < 0.006 and abs(stretch[:, 0, 0].log2().std() - 0.2) < 0.005
    slides = motion(7)[:, :2, 2]
    assert (slides.mean(0).abs() < torch.tensor([0.25, 0.13])).all()
    torch.testing.assert_close(slides.std(0), torch.tensor([8, 4], dtype=torch.float64), rtol=0.03, atol=0)


def test_changes_follow_each_other_as_in_the_paper() -> None:
    """Flip first, fractional shift last: the map of all is the product of the maps of each, the last on the left."""
    on, u, n = chances(50, 1)
    each = [motion_inverse(only(on, k), u[:, :6], n[:, :4], 9, 9).inverse() for k in range(8)]
    together = motion_inverse(on, u[:, :6], n[:, :4], 9, 9).inverse()
    for k in range(1, 8):
        each[0] = each[k] @ each[0]
    torch.testing.assert_close(together, each[0])


def test_colours_are_distributed_as_in_the_paper() -> None:
    on, u, n = chances(20_000, 1)

    def colours(*kept: int, channels: int = 3) -> tuple[Tensor, Tensor]:
        return colouring(only(on[:, :5], *kept), u[:, 6:], n[:, 4:], channels)

    assert abs(colours(0)[1].mean()) < 0.006 and abs(colours(0)[1].std() - 0.2) < 0.005
    for channels in (1, 3, 4):
        contrast = colours(1, channels=channels)[0][:, 0, 0].log2()
        assert abs(contrast.mean()) < 0.015 and abs(contrast.std() - 0.5) < 0.012
    assert abs((colours(2)[0].sum((1, 2)) < 0).double().mean() - 0.5) < 0.015
    third = (colours(3)[0] - torch.eye(3).double()).square().sum((1, 2))  # 4 - 4 cos(hue), of mean 4
    assert abs(third.mean() - 4) < 0.1
    saturation = ((colours(4)[0].diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).log2()
    assert abs(saturation.mean()) < 0.03 and abs(saturation.std() - 1) < 0.025
    assert (colours(2, 3, 4, channels=4)[0] == torch.eye(4)).all()


def test_brightness_comes_before_contrast_and_luma_flip() -> None:
    on = torch.tensor([[True, True, True, False, False]])
    u, n = torch.tensor([[0.9, 0.5]]), torch.tensor([[1.0, 2.0, 0.0]])
    matrix, offset = colouring(on, u, n, 3)
    torch.testing.assert_close(offset, torch.tensor([-2 * 0.2]))
    torch.testing.assert_close(matrix @ torch.ones(3), torch.full((1, 3), -2.0))


def test_images_turn_where_reals_turn_alike() -> None:
    """Square images come in four orientations at p = 1, of which none is preferred, others in two."""
    on, u, n = chances(4000, 1)
    for height, width, count in [(6, 6, 8), (6, 4, 4)]:  # by flips, twice as many
        x = torch.arange(float(height * width)).double().view(height, width).expand(4000, 1, -1, -1)
        seen = warp(x, motion_inverse(only(on, 0, 1), u[:, :6], n[:, :4], height, width)).round().flatten(1)
        kinds, counts = seen.unique(dim=0, return_counts=True)
        assert len(kinds) == count and (counts / 4000 - 1 / count).abs().max() < 4 * (1 / count / 4000) ** 0.5


def test_diffaugment_is_as_in_the_paper() -> None:
    """A constant image shows brightness, shift and box; at most an eighth moves, a quarter is cut inside."""
    batch = Batch(torch.full((2000, 1, 16, 24), 0.5), torch.zeros(2000))
    seen = DiffAugment()(batch.x, batch)[:, 0]
    level = seen.flatten(1).amax(1) + seen.flatten(1).amin(1)  # one of the two is the 0 of what is cut
    assert level.min() > -1e-6 and level.max() <= 1 and abs(level.mean() - 0.5) < 0.03
    empty = seen == 0
    rows, columns = empty.all(2), empty.all(1)
    assert rows.sum(1).max() <= 2 and columns.sum(1).max() <= 3
    assert abs(columns[:, 0].double().mean() - 3 / 7) < 0.05  # moved right by 1, 2 or 3 of -3 to 3
    share, still = empty.double().mean((1, 2)), ~(rows.any(1) | columns.any(1))
    assert share.max() < 0.5 and share[still].max() <= 0.25 and 0.15 < share[still].mean() < 0.25


def test_diffaugment_colours_in_closed_form() -> None:
    batch = batch_of(50, 3, 6, 7)
    x, u = batch.x, replace(batch).uniform(7)
    brightness, saturation, contrast = ((v).view(-1, 1, 1, 1) for v in (u[:, 0] - 0.5, 2 * u[:, 1], u[:, 2] + 0.5))
    want = x + brightness
    want = (want - want.mean(1, keepdim=True)) * saturation + want.mean(1, keepdim=True)
    want = (want - want.mean((1, 2, 3), keepdim=True)) * contrast + want.mean((1, 2, 3), keepdim=True)
    seen = DiffAugment()(x, batch)
    still = (u[:, 3] * 3).long().eq(1) & (u[:, 4] * 3).long().eq(1)  # at most one pixel either way
    kept = (seen != 0) & still.view(-1, 1, 1, 1)
    assert kept.any()
    torch.testing.assert_close(seen[kept], want[kept])


@pytest.mark.parametrize("shift", [-7.0, 0.0, 7.0])
def test_p_follows_the_discriminator(shift: float) -> None:
    """Up where reals beat fakes, down where not, by B / speed_images; the level of the logits does not matter."""
    sure, unsure = torch.linspace(1, 2, 50) + shift, torch.linspace(-1, 1, 50) + shift
    augment = ADA(speed_images=1000, most=0.8, start=0.4)
    augment.observe(sure, sure - 1)
    assert abs(augment.p - 0.45) < 1e-6
    for fakes in (unsure, unsure.flip(0), sure):
        augment.p.fill_(0.4)
        augment.observe(unsure, fakes)
        assert abs(augment.p - 0.35) < 1e-6
    for _ in range(20):
        augment.observe(sure, sure - 1)
    assert augment.p == torch.tensor(0.8)
    for _ in range(20):
        augment.observe(sure, sure + 1)
    assert augment.p == 0
    assert augment.p.shape == () and augment.p.dtype == torch.float32


def test_p_follows_the_share_of_pairs_judged_rightly() -> None:
    """r = 0.6 is where 80 % of pairs are right; there p rests."""
    real = torch.ones(10)
    for right, p in [(7, 0.4), (8, 0.5), (9, 0.6)]:
        augment = ADA(speed_images=100, start=0.5)
        augment.observe(real, torch.tensor([0.0] * right + [2.0] * (10 - right)))
        assert abs(augment.p - p) < 1e-6


def test_p_is_kept_and_can_be_held() -> None:
    augment, fresh = ADA(start=0.3), ADA()
    fresh.load_state_dict(augment.state_dict())
    assert fresh.p == augment.p and set(augment.state_dict()) == {"p"}
    held = ADA(start=0.3, speed_images=float("inf"))
    held.observe(torch.ones(8), torch.zeros(8))
    assert held.p == torch.tensor(0.3)
    assert not DiffAugment().state_dict()
    DiffAugment().observe(torch.ones(8), torch.zeros(8))


@pytest.mark.parametrize("wrong", [{"start": 0.9}, {"start": -0.1}, {"most": 1.1}, {"speed_images": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="ADA needs"):
        ADA(**wrong)


@every_name
@pytest.mark.parametrize("bf16", [False, True])
def test_a_game_with_penalties_is_played_through_it(name: str, bf16: bool) -> None:
    """R1 and R2 reach D's weights through the augmentation, the loss reaches G's, and p moves and is told."""
    shape = (3, 5, 7)
    generator = nn.Sequential(nn.Linear(4, 105), nn.Tanh(), nn.Unflatten(1, shape))
    discriminator = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(60, 1), nn.Flatten(0))
    augment = augment_of(name, shape, p=0.5)
    game = GAN(
        generator,
        discriminator,
        OBJECTIVES["relativistic"],
        latent_dim=4,
        penalties=[r1(1.0), r2(1.0)],
        augment=augment,
    )
    assert ("augment" in game.players) == isinstance(augment, nn.Module)
    for player, net in [("discriminator", discriminator), ("generator", generator)]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, stats = game.loss(player, batch_of(6, *shape), 0.0)
        loss.backward()
        assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in net.parameters())
        if isinstance(augment, ADA) and player == "discriminator":
            assert stats["augment_p"] == augment.p != 0.5
            assert abs(augment.p - 0.5) < 6.1 / 500_000


def upright(count: int, seed: int) -> Tensor:
    """Bright L's on a dark ground, 8x8, of several sizes and places: no turn or flip of one is another."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.full((count, 1, 8, 8), -0.9)
    draws = torch.rand(count, 3, generator=generator)
    for image, (left, tall, bright) in zip(x[:, 0], draws.tolist(), strict=True):
        k, top = int(left * 2), 1 + int(tall * 2)
        image[top:7, 1 + k] = 0.4 + bright / 2
        image[6, 1 + k : 5 + k] = 0.4 + bright / 2
    return x + 0.2 * torch.randn(x.shape, generator=generator)


def found_after_training(augment: Callable[[Tensor, Batch], Tensor], rounds: int = 300, seed: int = 0) -> list[Leak]:
    """What `measure.diagnostics.augmentation_leaks` says of a tiny relativistic GAN that was trained with `augment`."""
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 1))
    players = [torch.optim.Adam(net.parameters(), 2e-3, (0.5, 0.99)) for net in (discriminator, generator)]
    data = upright(512, 0)
    for step in range(rounds):
        for turn, player in enumerate(players):
            batch = Batch(data[torch.randint(512, (64,))], torch.zeros(64), seed=2 * step + turn)
            fake = generator(batch.normal(8))
            logits = [discriminator(augment(x, batch)) for x in (batch.x, fake)]
            player.zero_grad()
            softplus(logits[turn ^ 1] - logits[turn]).mean().backward()
            player.step()
    with torch.no_grad():
        samples = generator(torch.randn(400, 8))
    return augmentation_leaks(samples, upright(400, 1), data)


@pytest.mark.slow
def test_half_augmented_does_not_leak() -> None:
    """Samples stay upright and bright although the discriminator sees a large part of all images turned or inverted."""
    for seed in range(3):
        found = found_after_training(ADA(start=0.5, speed_images=float("inf")), seed=seed)
        assert len(found) == 6 and min(leak.samples for leak in found) > 100
        assert not any(leak.significant for leak in found)


@pytest.mark.slow
def test_always_augmented_leaks() -> None:
    """The test above would see it: with flips and quarter turns of all images, upright ones are as good as any."""
    on = torch.tensor([[True] * 2 + [False] * 6])

    def turned(x: Tensor, batch: Batch) -> Tensor:
        return warp(x, motion_inverse(on, batch.uniform(6), torch.zeros(1, 4), *x.shape[2:]))

    # which way a generator turns is luck, and rounding: of three, none of which leaks above, one or more tells
    assert any(leak.significant for seed in range(3) for leak in found_after_training(turned, seed=seed))
