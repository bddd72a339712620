"""BigGAN's networks: sizes, labels, blocks, attention and spectral normalisation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sparring.nets.attention import SelfAttention
from sparring.nets.biggan import ConditionalNorm, Discriminator, DownBlock, Generator, UpBlock
from sparring.nets.spectral_norm import SpectralNorm

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 37, 65), (2, 5, 3), (1, 1, 1), (5, 1, 40)]


def nets(shape: tuple[int, int, int], latent_dim: int = 7) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    return Generator(shape, latent_dim, 4, 8, 3, 5), Discriminator(shape, 4, 8, 3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("latent_dim", [1, 7])
def test_every_size_with_and_without_labels(shape: tuple[int, int, int], latent_dim: int) -> None:
    generator, discriminator = nets(shape, latent_dim)
    z, y = torch.randn(4, latent_dim), torch.tensor([0, 1, 2, -1])
    images = generator(z, y)
    assert images.shape == (4, *shape) and images.dtype == torch.float32 and images.abs().max() <= 1
    h = discriminator.eval().features(images)
    assert h.shape == (4, discriminator.feature_count) and h.dtype == torch.float32
    assert torch.equal(discriminator.logits(h, y), discriminator(images, y))
    assert discriminator(images).shape == (4,)
    unlabelled = generator.eval()(z)
    assert torch.equal(unlabelled, generator(z, torch.full((4,), -1)))


def test_labels_change_samples_and_logits() -> None:
    generator, discriminator = (net.eval() for net in nets((1, 8, 8)))
    y = torch.tensor([0, 1, 2, -1])
    images = generator(torch.randn(1, 7).expand(4, -1), y)
    assert len(images.flatten(1).unique(dim=0)) == 4
    assert len(discriminator(images[:1].expand(4, -1, -1, -1), y).unique()) == 4


def test_the_projection_is_a_product_with_the_class_embedding() -> None:
    """Miyato and Koyama 2018, Eq. 3: f = y^T V phi + psi(phi)."""
    _, discriminator = nets((1, 8, 8))
    h, y = torch.randn(3, discriminator.feature_count), torch.tensor([2, 0, -1])
    v = discriminator.eval().embedding.weight[[2, 0, 3]]
    torch.testing.assert_close(discriminator.logits(h, y) - discriminator.logits(h), (h * v).sum(1))


def test_each_level_uses_its_own_chunk_of_the_noise() -> None:
    """The last chunk affects the last block, not the base and the first block."""
    generator, _ = nets((1, 28, 28), latent_dim=6)
    generator.eval()
    seen: list[torch.Tensor] = []
    generator.blocks[0].register_forward_hook(lambda module, given, out: seen.append(out))
    z = torch.randn(2, 6)
    other = torch.cat([z[:, :4], torch.randn(2, 2)], 1)
    one, two = generator(z), generator(other)
    assert torch.equal(*seen) and not torch.equal(one, two)


def test_attention_is_at_one_level_of_about_256_positions_or_none() -> None:
    def places(shape: tuple[int, int, int]) -> list[int | None]:
        return [net.attention_level for net in nets(shape)]

    assert places((1, 28, 28)) == [1, 0]  # 14x14: before G's second block of two, after D's first
    assert places((1, 64, 64)) == [2, 1]  # 16x16
    assert places((1, 8, 8)) == [None, None]
    assert all(any(isinstance(m, SelfAttention) for m in net.modules()) for net in nets((1, 28, 28)))


def test_a_conditional_norm_with_a_zero_condition_is_a_batch_norm() -> None:
    norm, x = ConditionalNorm(3, 2), torch.randn(8, 3, 4, 4) * 3 + 1
    torch.testing.assert_close(norm(x, torch.zeros(8, 2)), nn.BatchNorm2d(3, affine=False)(x))
    gained = norm(x, torch.ones(8, 2))
    expected = norm.norm(x) * (1 + norm.gain.weight.sum(1))[:, None, None] + norm.bias.weight.sum(1)[:, None, None]
    torch.testing.assert_close(gained, expected)


def test_blocks_with_zero_convolutions_are_their_skips() -> None:
    """Only the skip is left: nearest-neighbour upsampling, or 2x2 average pooling."""
    x = torch.randn(2, 4, 3, 5)
    up = UpBlock(4, 4, 2, (7, 10))
    nn.init.zeros_(up.conv2.weight)
    assert torch.equal(up(x, torch.zeros(2, 2)), nn.functional.interpolate(x, (7, 10)))
    down = DownBlock(4, 4, first=False, halve=True)
    nn.init.zeros_(down.conv2.weight)
    nn.init.zeros_(down.conv2.bias)  # type: ignore[arg-type]
    assert torch.equal(down(x), nn.functional.avg_pool2d(x, 2))


def test_all_weights_are_spectrally_normalised_but_the_shared_embedding() -> None:
    generator, discriminator = nets((1, 28, 28))
    for net, free in ((generator, {generator.embedding}), (discriminator, set())):
        weighty = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
        plain = {m for m in weighty if "weight" in dict(m.named_parameters(recurse=False))}
        assert plain == free
        for module in (m for m in weighty if m not in free):
            norm = torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)
            torch.testing.assert_close(norm, torch.tensor(1.0), rtol=1e-3, atol=1e-3)  # orthogonal to begin with


def test_weights_survive_a_state_dict_and_a_copy() -> None:
    generator, _ = nets((1, 8, 8))
    generator(torch.randn(4, 7))
    z, other = torch.randn(2, 7), Generator((1, 8, 8), 7, 4, 8, 3, 5)
    other.load_state_dict(generator.state_dict())
    expected = generator.eval()(z)
    assert torch.equal(other.eval()(z), expected)
    assert torch.equal(copy.deepcopy(generator)(z), expected)
    assert sum(isinstance(m, SpectralNorm) for m in generator.modules()) > 5


def test_memory_format_and_precision_of_training() -> None:
    generator, discriminator = (net.to(memory_format=torch.channels_last) for net in nets((3, 20, 20)))  # type: ignore[call-overload]
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(torch.randn(4, 7), torch.tensor([0, 1, 2, -1]))
        logits = discriminator(images, torch.tensor([0, 1, 2, -1]))
    assert images.dtype == logits.dtype == torch.float32
    logits.sum().backward()
    for net in (generator, discriminator):
        for name, p in net.named_parameters():
            assert p.grad is not None and torch.isfinite(p.grad).all(), name
