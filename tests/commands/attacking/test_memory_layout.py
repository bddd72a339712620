"""Networks of other tools are put in channels_last where they answer as before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.memory_layout import in_channels_last


class Viewed(nn.Module):
    """A network whose code needs activations by rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.conv(x).view(len(x), -1))
        return logits


class ByStrides(nn.Module):
    """A network that answers by the layout of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).flatten(1) * self.conv.weight.stride(1)


class Broken(nn.Module):
    """A network that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).flatten(1)


def flattened() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 9, 2))


@pytest.mark.parametrize(
    ("build", "changed"), [(flattened, True), (Viewed, False), (ByStrides, False), (Broken, False)]
)
def test_the_layout_changes_where_the_answers_stay(build: Callable[[], nn.Module], changed: bool) -> None:
    torch.manual_seed(0)
    net, x = build(), torch.rand(5, 3, 8, 8)
    weights = [p.clone() for p in net.parameters()]
    before = net(x).detach() if build is not Broken else None
    target = Target("net", net)
    assert in_channels_last(target, x) is target
    conv = next(p for p in net.parameters() if p.dim() == 4)
    assert conv.is_contiguous(memory_format=torch.channels_last) is changed
    assert conv.is_contiguous() is not changed
    assert all(torch.equal(p, old) for p, old in zip(net.parameters(), weights, strict=True))
    if before is not None:
        torch.testing.assert_close(net(x), before)


def test_functions_and_networks_without_convolutions_are_left_alone() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    for model in (net, lambda x: x.flatten(1)):
        target = Target("model", model)
        assert in_channels_last(target, torch.rand(2, 3, 2, 2)) is target
