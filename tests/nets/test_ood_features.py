from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

from sparring.nets.cnn_classifier import CNNClassifier
from sparring.nets.feature_head import FeatureHead, LogitFeatures
from sparring.nets.improved_gan import ConvClassifier, MLPClassifier
from sparring.nets.ood_features import ood_features


def images(*shape: int, count: int = 3) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def nets() -> dict[str, tuple[nn.Module, torch.Tensor, int]]:
    """Networks, what they are shown, and how many numbers the layer before their features is given."""
    torch.manual_seed(0)
    own = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(180, 7), nn.ReLU(), nn.Linear(7, 4))
    deep = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    tokens = nn.Sequential(nn.Flatten(2), nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 2), nn.Flatten(), nn.Linear(6, 4))
    x = images(3, 8, 8)
    return {
        "stages": (CNNClassifier((1, 28, 28), 4, 16, 10, 4), images(1, 28, 28), 7 * 7 * 8),
        "improved, mlp": (MLPClassifier((1, 5, 5), 4, (9, 8, 6)), images(1, 5, 5), 8),
        "improved, conv": (ConvClassifier((3, 8, 8), 4, 6), images(3, 8, 8), 12 * 16),
        "flat": (FeatureHead(own, x, 4), x, 180),
        "maps": (FeatureHead(deep, x, 4), x, 5 * 16),
        "tokens": (FeatureHead(tokens, x, 4), x, 9),
        "logits": (LogitFeatures(deep), x, 6),
        "one layer": (FeatureHead(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), x, 4), x, 3 * 16),
    }


@pytest.mark.parametrize("name", nets())
def test_features_and_the_input_of_the_layer_before(name: str) -> None:
    net, x, before = nets()[name]
    net.eval()
    with torch.no_grad():
        features, seen = ood_features(net, x)
        torch.testing.assert_close(features, net.features(x).float())  # type: ignore[operator]
    assert seen.shape == (len(x), features.shape[1] + before)
    torch.testing.assert_close(seen[:, : features.shape[1]], normalize(features, dim=1))
    torch.testing.assert_close(seen[:, features.shape[1] :].norm(dim=1), torch.ones(len(x)))
    assert all(not layer._forward_pre_hooks for layer in net.modules())


def test_images_are_used_where_features_have_no_weights() -> None:
    net, x = FeatureHead(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), images(3, 8, 8), 4), images(3, 8, 8)
    _, seen = ood_features(net, x)
    torch.testing.assert_close(seen[:, 192:], normalize(adaptive_avg_pool2d(x, 4).flatten(1), dim=1))


def test_hooks_are_removed_after_an_error() -> None:
    net, x, _ = nets()["flat"]
    with pytest.raises(RuntimeError):
        ood_features(net, x[:, :2])
    assert all(not layer._forward_pre_hooks for layer in net.modules())
