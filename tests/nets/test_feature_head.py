"""Splitting classifiers into features and head."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from sparring.engine.errors import UsageError
from sparring.nets.feature_head import FeatureHead, LogitFeatures, split_head, split_or_wrap
from sparring.nets.improved_gan import ConvClassifier

X = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))


class Backwards(nn.Module):
    """Its layers are not named in the order in which they are passed."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first = nn.Linear(5, 3), nn.Linear(36, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.flatten(1)).relu()).log_softmax(1)


def test_head_of_features_is_the_network() -> None:
    net = plain()
    halves = FeatureHead(net, X, 3)
    assert halves.head is net[3] and halves.features(X).shape == (2, 8)
    assert torch.equal(halves(X), net(X)) and torch.equal(halves.head(halves.features(X)), net(X))
    assert not net[3]._forward_pre_hooks and not net[3]._forward_hooks


def test_the_head_is_the_last_linear_layer_that_is_called() -> None:
    net = Backwards()
    halves = FeatureHead(net, X, 3)
    assert halves.head is net.last
    torch.testing.assert_close(halves(X).log_softmax(1), net(X))


def test_copies_pickles_and_gradients() -> None:
    halves = FeatureHead(plain(), X, 3)
    twin = copy.deepcopy(halves)
    with torch.no_grad():
        halves.head.weight.zero_()  # type: ignore[union-attr,operator]
    assert (halves(X) != twin(X)).any() and torch.equal(pickle.loads(pickle.dumps(twin))(X), twin(X))
    twin(X).sum().backward()
    assert all(p.grad is not None for p in twin.parameters())


def test_lazy_layers_and_networks_with_features_and_head() -> None:
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.Dropout(), nn.Flatten(), nn.LazyLinear(3))
    assert FeatureHead(lazy, X, 3).training and FeatureHead(lazy, X, 3)(X).shape == (2, 3)
    own = ConvClassifier((1, 6, 6), 3, 4)
    assert split_head(own, X, 3) is own
    assert isinstance(split_head(plain(), X, 3), FeatureHead)


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (
            nn.Flatten(),
            r"logits \[B, 3\] of the 3 classes; it has none: end it with torch.nn.Linear\(..., 3\), or give",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(36, 4)), r"its last one, '1', gives \[2, 4\]"),
        (nn.Linear(6, 3), r"its last one, '', gives \[2, 1, 6, 3\]"),
        (nn.Linear(5, 3), r"the classifier does not take an input of \[2, 1, 6, 6\]: mat1 and mat2"),
    ],
)
def test_networks_that_cannot_be_split(net: nn.Module, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_head(net, X, 3)


def test_without_a_linear_layer_the_logits_are_the_features() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 6), nn.Flatten())
    whole = split_or_wrap(net, X, 3)
    assert isinstance(whole, LogitFeatures)
    assert torch.equal(whole.head(whole.features(X)), net(X)) and torch.equal(whole(X), net(X))
    assert isinstance(split_or_wrap(plain(), X, 3), FeatureHead)
