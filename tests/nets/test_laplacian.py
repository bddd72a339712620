"""The Laplacian pyramid's algebra and the networks of LAPGAN."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d

from sparring.nets.laplacian import Discriminator, FineGenerator, Generator, down, pyramid, up
from sparring.nets.layers import halvings

SIZES = [(29, 19), (14, 9), (7, 4)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3), st.integers(1, 5))
def test_the_bands_reconstruct_the_image(height: int, width: int, channels: int, smallest: int) -> None:
    sizes = halvings(height, width, smallest)
    x = torch.rand(2, channels, height, width, dtype=torch.float64) * 2 - 1
    levels = pyramid(x, sizes)
    assert [tuple(image.shape[2:]) for image, _ in levels] == sizes
    bands = [image - low for image, low in levels]
    again = bands[-1]
    for band, size in zip(bands[-2::-1], sizes[-2::-1], strict=True):  # Eq. 3
        again = up(again, size) + band
    torch.testing.assert_close(again, x, rtol=0, atol=1e-14)


def test_each_level_is_that_of_the_paper() -> None:
    x = torch.randn(2, 3, *SIZES[0])
    levels = pyramid(x, SIZES)
    assert levels[0][0] is x and not levels[-1][1].any()
    for (high, low), (lower, _), size in zip(levels, levels[1:], SIZES, strict=False):
        assert torch.equal(lower, down(high, tuple(lower.shape[2:])))
        assert torch.equal(low, up(lower, size)) and low.shape == high.shape


def test_down_is_the_area_average() -> None:
    x = torch.randn(2, 3, 8, 12)
    torch.testing.assert_close(down(x, (4, 6)), avg_pool2d(x, 2))


def test_a_constant_image_has_no_bands_and_levels_keep_the_range() -> None:
    for image, low in pyramid(torch.full((1, 1, *SIZES[0]), 0.3), SIZES)[:-1]:
        torch.testing.assert_close(image, low)
    x = torch.randn(4, 1, *SIZES[0]).sign()
    assert all(part.abs().max() <= 1 + 1e-6 for level in pyramid(x, SIZES) for part in level)


@given(st.integers(1, 5), st.integers(5, 40))
def test_each_level_has_its_chunk_of_the_noise(count: int, latent_dim: int) -> None:
    net = Generator(1, [(4, 4)] * count, latent_dim, width=1, hidden=1)
    parts = net.split(torch.arange(float(latent_dim))[None])
    assert [part.shape[1] for part in parts] == net.chunk_dims
    assert max(net.chunk_dims) - min(net.chunk_dims) <= 1 and net.chunk_dims[-1] == max(net.chunk_dims)
    assert torch.equal(torch.cat(parts, 1)[0], torch.arange(float(latent_dim)))


def test_the_generator_goes_from_coarse_to_fine() -> None:
    """Eq. 3 by hand; and noise of a level moves what it makes, and not what lies below."""
    torch.manual_seed(0)  # by chance all eight hidden units may be off
    net, z = Generator(2, SIZES, 9, width=4, hidden=8), torch.randn(3, 9)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    first, second, third = net.split(z)
    fine, middle, coarse = net.levels
    image = coarse(third, None).clamp(-1, 1)
    image = middle(second, up(image, SIZES[1])).clamp(-1, 1)
    image = fine(first, up(image, SIZES[0])).clamp(-1, 1)
    torch.testing.assert_close(net(z), image)
    other = torch.cat([first + 1, second, third], 1)
    assert not torch.allclose(net(other), image)


def test_an_initial_fine_generator_returns_the_low_pass_image() -> None:
    low = torch.randn(2, 3, 9, 7)
    net = FineGenerator(3, (9, 7), latent_dim=4, width=4, classes=0)
    assert torch.equal(net(torch.randn(2, 4), low), low)
    plane = FineGenerator(1, (200, 100), latent_dim=16, width=1, classes=0).noise(torch.randn(8, 16))
    assert 0.8 < plane.std() < 1.2


@pytest.mark.parametrize("classes", [0, 3])
def test_the_discriminator_sums_its_levels(classes: int) -> None:
    net = Discriminator(2, SIZES, width=4, hidden=10, classes=classes).eval()
    x, y = torch.randn(4, 2, *SIZES[0]), (torch.tensor([0, 1, 2, -1]) if classes else None)
    expected = sum(level(image, y) for level, (image, _) in zip(net.levels, pyramid(x, SIZES), strict=True))
    torch.testing.assert_close(net(x, y), expected)
    torch.testing.assert_close(net(x, y)[:2], net(x[:2], None if y is None else y[:2]))  # each image by itself


def test_noise_changes_samples_of_a_class() -> None:
    """A label as loud as the noise makes one picture of each class."""
    torch.manual_seed(0)
    net = Generator(1, [(28, 28), (14, 14), (7, 7)], 99, 8, 64, classes=10).levels[-1]
    z, y = torch.randn(64, 33), torch.arange(64) % 10
    by_noise = net(z, None, y[:1].expand(64)).var(0).mean()
    by_label = net(z[:1].expand(64, -1), None, y).var(0).mean()
    assert by_noise > 10 * by_label
