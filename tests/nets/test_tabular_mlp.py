"""Networks for tables."""

from __future__ import annotations

import torch

from sparring.nets.tabular_mlp import TabularClassifier, TabularGenerator


def test_shapes_and_independence_of_rows() -> None:
    torch.manual_seed(0)
    rows = TabularGenerator(5, 7)(torch.randn(6, 7) * 9)
    assert rows.shape == (6, 5, 1, 1) and rows.std() > 0
    net = TabularClassifier(5, 3, hidden=16)
    logits = net(rows)
    assert logits.shape == (6, 3) and torch.equal(logits, net.head(net.features(rows)))
    torch.testing.assert_close(net(rows[:2]), logits[:2])
    assert TabularClassifier(1, 2)(rows[:, :1]).shape == (6, 2)
