"""Layers of the networks of 2014."""

from __future__ import annotations

import torch

from sparring.nets.mlp import Maxout


def test_maxout_takes_the_largest_piece_of_any_number_of_rows() -> None:
    layer = Maxout(3, 4, pieces=5)
    x = torch.randn(2, 3)
    assert torch.equal(layer(x), layer.linear(x).reshape(2, 4, 5).amax(2))
    assert layer(x[:0]).shape == (0, 4)
