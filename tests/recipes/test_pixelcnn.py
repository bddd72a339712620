"""What the recipe `pixelcnn` decides: blocks, scales and settings that do not fit together."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.nets.multiscale_pixelcnn import MultiscalePixelCNN
from sparring.nets.pixelcnn import PixelCNN
from sparring.recipes.density.pixelcnn import PixelCNNRecipe

CPU = Hardware(torch.device("cpu"), bf16=False)
SMALL: dict[str, Any] = {"width": 8, "layers": 2}


@pytest.mark.parametrize(
    ("settings", "size", "block"),
    [
        ({"binary": True}, (28, 28), 2),
        ({"binary": True}, (28, 27), 1),
        ({}, (28, 28), 1),
        ({"block": 4}, (28, 28), 4),
        ({"binary": True, "scales": 1}, (28, 28), 2),
        ({"binary": True, "scales": 2}, (28, 28), 1),
    ],
)
def test_blocks_fit_the_smallest_image(settings: dict[str, Any], size: tuple[int, int], block: int) -> None:
    spec = ImageSpec(*size, 1, (), 100)
    recipe = PixelCNNRecipe(**SMALL, **settings).resolve(spec, CPU)
    assert recipe.block == block
    net: Any = recipe.nets(spec)["generator"]
    assert isinstance(net, MultiscalePixelCNN if recipe.scales else PixelCNN)
    x = net(torch.randn(2, net.latent_dim))
    assert x.shape == (2, 1, *size) and torch.isfinite(net.log_prob(x)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": 4}, "--kernel must be odd, not 4: take 5"),
        ({"scales": -1}, "--scales must be at least 0"),
        ({"scales": 1, "completion": True}, "leave out --scales"),
        ({"width": 0}, "--width must be above 0"),
        ({"block": -2}, "--block must be above 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PixelCNNRecipe(**settings)


def test_blocks_that_do_not_divide_the_images_are_refused() -> None:
    with pytest.raises(UsageError, match="--block 2 does not divide images of 5x4: take --block 1"):
        PixelCNNRecipe(block=2).resolve(ImageSpec(5, 4, 1, (), 100), CPU)
