from __future__ import annotations

import pytest
import torch

from sparring.nets.hourglass import Hourglass


@pytest.mark.parametrize("skip", [0, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_that_the_depth_divides(skip: int, channels: int) -> None:
    net = Hourglass(5, channels, (4, 6, 8), (skip,) * 3)
    y = net(torch.rand(1, 5, 16, 40))
    assert y.shape == (1, channels, 16, 40)
    assert float(y.detach().min()) > 0 and float(y.detach().max()) < 1


def test_the_statistics_of_the_picture_are_the_model_in_evaluation_too() -> None:
    net, z = Hourglass(3, 3, (4, 4), (2, 2)), torch.rand(1, 3, 16, 16)
    assert torch.equal(net(z), net.eval()(z))
    assert not list(net.buffers())


def test_the_last_layer_is_float32_under_autocast() -> None:
    net = Hourglass(3, 3, (4,), (0,))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(torch.rand(1, 3, 16, 16))
    assert y.dtype == torch.float32
    assert len(y.unique()) > 256  # bf16 has 8 bits


def test_widths_and_skips_belong_together() -> None:
    with pytest.raises(ValueError, match="2 widths for 1 skips"):
        Hourglass(3, 3, (4, 4), (0,))
