"""Sampling from trees of marginals: frequencies, ranges of numbers, dependence on the parent."""

import pytest
import torch

from sparring.nets.marginal_trees import MarginalTrees, choose


def test_choose_has_the_given_frequencies_and_no_others():
    probabilities = torch.tensor([0.2, 0.0, 0.5, 0.3, 0.0])
    codes = choose(probabilities.expand(100_000, -1), torch.rand(100_000, generator=torch.Generator().manual_seed(0)))
    assert torch.bincount(codes, minlength=5) / 1e5 == pytest.approx(probabilities.numpy(), abs=0.01)
    assert choose(probabilities[None], torch.ones(1)).item() == 3
    assert choose(probabilities[None], torch.zeros(1)).item() == 0


def test_rows_follow_class_and_parent():
    net = MarginalTrees([2, 3, 2], [(0,), (1, 2, 3), (4, 5)], [True, None, None], split_on=2)
    net.edges[0, :3] = torch.tensor([0.0, 10.0, 30.0])
    net.class_weights.copy_(torch.tensor([1.0, 3.0]))
    number = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])  # given the category
    for k, category in enumerate(([0.5, 0.5, 0.0], [0.0, 0.0, 1.0])):
        net.set_tree(k, [1, 0], [1, -1], [number, torch.tensor([category])])
    rows = net(torch.randn(20_000, net.latent_dim, generator=torch.Generator().manual_seed(0)))
    assert rows.shape == (20_000, 6)
    label, category = rows[:, 4:].argmax(1), rows[:, 1:4].argmax(1)
    assert label.float().mean() == pytest.approx(0.75, abs=0.01)
    assert (category[label == 1] == 2).all() and (category[label == 0] < 2).all()
    assert (rows[category == 0, 0] < 10).all() and (rows[category == 1, 0] >= 10).all()
    assert (rows[category == 2, 0] < 10).float().mean() == pytest.approx(0.5, abs=0.02)
    assert (rows[:, 0] == rows[:, 0].round()).all() and rows[:, 0].min() >= 0 and rows[:, 0].max() == 29
    assert (rows[:, 1:4].sum(1) == 1).all()


def test_a_table_without_a_class():
    net = MarginalTrees([4], [(0,)], [False], split_on=None)
    net.edges[0, :5] = torch.tensor([0.0, 1.0, 2.0, 4.0, 8.0])
    rows = net(torch.randn(4_000, 2, generator=torch.Generator().manual_seed(1)))
    assert rows.min() >= 0 and rows.max() <= 8 and (rows > 4).float().mean() == pytest.approx(0.25, abs=0.03)
