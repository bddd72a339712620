"""Strided networks conditioned on vectors, the discriminator by a projection."""

from __future__ import annotations

import math

import pytest
import torch

from sparring.nets.strided_gan import CONDITION_FEATURES, Discriminator, Generator

CONDITIONS = ((40.0, 10.0), (0.5, 0.25), (0.0, 1.0))
SHAPES = [(1, 8, 8), (3, 17, 23), (2, 5, 3), (1, 1, 1)]


def vectors(count: int) -> torch.Tensor:
    mean, deviation = torch.tensor(CONDITIONS).T
    return torch.randn(count, len(CONDITIONS)) * deviation + mean


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_vectors_change_images_and_logits(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    generator = Generator(shape, 6, 4, 16, condition_stats=CONDITIONS)
    discriminator = Discriminator(shape, 4, 16, condition_stats=CONDITIONS)
    z, y, x = torch.randn(1, 6).expand(3, -1), vectors(3), torch.randn(1, *shape).expand(3, -1, -1, -1)
    images, logits = generator(z, y), discriminator(x, y)
    assert images.shape == (3, *shape) and logits.shape == (3,)
    assert (images[0] - images[1]).abs().max() > 1e-6 and logits.unique().numel() == 3
    assert torch.equal(
        discriminator(x), discriminator(x)[:1].expand(3)
    )  # without a vector the logit depends on the image only
    (images.square().sum() + discriminator(images, y).sum()).backward()
    for net in (generator, discriminator):
        assert net.embedding is not None
        for name, parameter in net.embedding.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_residual_blocks_keep_shapes_and_learn(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    plain, deep = (
        (Generator(shape, 6, 4, 16, blocks=blocks), Discriminator(shape, 4, 16, blocks=blocks)) for blocks in (0, 2)
    )
    generator, discriminator = deep
    z = torch.randn(3, 6)
    assert generator(z).shape == plain[0](z).shape and discriminator(generator(z)).shape == (3,)
    discriminator(generator(z)).sum().backward()
    for before, net in zip(plain, deep, strict=True):
        added = [(name, p) for name, p in net.named_parameters() if name.startswith("blocks.")]
        assert len(added) and len(added) == len(list(net.parameters())) - len(list(before.parameters()))
        for name, parameter in added:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_logit_is_unconditional_plus_a_projection() -> None:
    """Miyato and Koyama 2018, Eq. 5: psi(phi(x)) + (V y) . phi(x)."""
    torch.manual_seed(0)
    net, x, y = Discriminator((1, 8, 8), 4, 16, condition_stats=CONDITIONS), torch.randn(5, 1, 8, 8), vectors(5)
    assert net.embedding is not None
    h = net.features(x)
    told, own = net.head.weight[:-1], h @ net.head.weight[-1] + net.head.bias[-1]
    inner = ((net.embedding(y) @ told) * h).sum(1) + net.embedding(y) @ net.head.bias[:-1]
    torch.testing.assert_close(net(x, y), own + inner / math.sqrt(CONDITION_FEATURES))


@pytest.mark.parametrize("shape", [*SHAPES, (1, 28, 28)], ids=lambda shape: "x".join(map(str, shape)))
def test_an_image_is_the_sum_of_its_levels_outputs(shape: tuple[int, int, int]) -> None:
    """Karras et al. 2020, section 4.1: without the finest level's details it is the sketches, upsampled and added."""
    torch.manual_seed(0)
    net, z = Generator(shape, 6, 4, 16), torch.randn(3, 6)
    last = net.ups[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    sketches: list[torch.Tensor] = []
    for sketch in net.to_image:
        torch.nn.init.normal_(sketch.weight)
        sketch.register_forward_hook(lambda _, __, out: sketches.append(out))
    image, sum_so_far = net(z), torch.zeros(())
    assert [tuple(out.shape[2:]) for out in sketches] == net.sizes[: len(sketches)]
    for out, size in zip(sketches, [*net.sizes[1:], net.sizes[-1]], strict=False):
        sum_so_far = torch.nn.functional.interpolate(sum_so_far + out, size, mode="bilinear")
    torch.testing.assert_close(image, torch.tanh(sum_so_far))


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_the_initial_discriminator_preserves_scale(blocks: int) -> None:
    torch.manual_seed(0)
    h = Discriminator((3, 64, 64), 32, 256, blocks=blocks).features(torch.randn(16, 3, 64, 64))
    assert 0.3 < h.square().mean().sqrt() < 3  # He et al. 2015, Eq. 10; with torch's own start it is 0.03
