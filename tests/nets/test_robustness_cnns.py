"""The networks of adversarial training: published sizes, any image size, features and head."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sparring.nets.feature_head import split_head
from sparring.nets.robustness_cnns import NETS

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 92, 112), (4, 17, 23), (2, 5, 3), (7, 4, 4), (1, 1, 1), (3, 1, 40)]


def weights(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_any_size_gives_head_of_features(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    net = NETS[name](shape, 3, width=8).eval()
    x = torch.rand(5, *shape) * 2 - 1
    logits = net(x)
    assert logits.shape == (5, 3) and logits.dtype == torch.float32
    assert torch.equal(net.head(net.features(x)), logits)
    torch.testing.assert_close(net(x[:2]), logits[:2])  # no image depends on its batch
    assert split_head(net, x, 3) is net


def test_parameter_counts_are_as_published() -> None:
    shape = (1, 28, 28)
    assert weights(NETS["madry"](shape, 10)) == (
        linear(25, 32) + linear(25 * 32, 64) + linear(7 * 7 * 64, 1024) + linear(1024, 10)
    )
    assert weights(NETS["wong"](shape, 10)) == (
        linear(16, 16) + linear(16 * 16, 32) + linear(7 * 7 * 32, 100) + linear(100, 10)
    )
    conv = linear(9, 32) + linear(9 * 32, 32) + linear(9 * 32, 64) + linear(9 * 64, 64)
    assert weights(NETS["trades"](shape, 10)) == conv + linear(4 * 4 * 64, 200) + linear(200, 200) + linear(200, 10)
    assert weights(NETS["maxout"](shape, 10)) == linear(784, 1200) + linear(240, 1200) + linear(240, 10)
