"""A convolutional network for series of any length."""

from __future__ import annotations

import pytest
import torch

from sparring.nets.series_cnn import SeriesCNN


@pytest.mark.parametrize("length", [1, 2, 50])
def test_series_of_any_length_have_logits(length: int) -> None:
    net = SeriesCNN(2, 3, width=4).eval()
    x = torch.randn(5, 2, length)
    assert net(x).shape == (5, 3) and net.features(x).shape == (5, 4)
    torch.testing.assert_close(net(x)[:2], net(x[:2]))


def test_features_are_averages_over_time() -> None:
    net = SeriesCNN(1, 2, width=4).eval()
    x = torch.zeros(1, 1, 60)
    x[..., 20] = 1
    torch.testing.assert_close(net.features(x), net.features(x.roll(15, 2)))
