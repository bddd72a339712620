from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparring.engine.errors import SparringError, UsageError
from sparring.measure.features.feature_net import (
    features_side_by_side,
    module_features,
    raw_features,
    torchscript_features,
)

X = np.random.default_rng(0).integers(0, 256, (10, 4, 6, 3), np.uint8)


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * self.scale


class Whole(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_raw_values_are_the_image() -> None:
    features = raw_features().of([X[:6], X[6:]])
    assert features.shape == (10, 72)
    assert features[7].numpy() == pytest.approx(X[7].transpose(2, 0, 1).reshape(-1) / 127.5 - 1, abs=1e-6)


def test_a_network_of_ones_own_is_named_by_its_weights() -> None:
    net = module_features(Mean())
    assert net.name.startswith("mean-") and net.of([X]).shape == (10, 3)
    other = Mean()
    other.scale.data += 1
    assert module_features(other).name != net.name == module_features(Mean()).name


def test_features_of_pairs_are_those_of_their_halves() -> None:
    net = features_side_by_side({"image": module_features(Mean()), "other": raw_features()}, [(3, 4, 6), (5,)])
    flat = np.random.default_rng(1).normal(size=(10, 77)).astype(np.float32)
    features = net.of([flat])
    assert net.halves["image"][1] == slice(0, 3) and net.halves["other"] == ("raw", slice(3, 8))
    assert features[:, :3].numpy() == pytest.approx(flat[:, :72].reshape(10, 3, -1).mean(2), abs=1e-6)
    assert (features[:, 3:].numpy() == flat[:, 72:]).all()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript(tmp_path: Path) -> None:
    torch.jit.script(Mean()).save(str(tmp_path / "mynet.pt"))
    net = torchscript_features(tmp_path / "mynet.pt")
    assert net.name.startswith("mynet-")
    assert torch.equal(net.of([X]), module_features(Mean()).of([X]))
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(UsageError, match=r"text.pt is not a TorchScript file"):
        torchscript_features(tmp_path / "text.pt")
    with pytest.raises(UsageError, match="there is no feature net 'nowhere'"):
        torchscript_features(Path("nowhere"))


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Sum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_code_without_weights_has_a_name_of_its_own(tmp_path: Path) -> None:
    names = []
    for net in (Flat(), Sum()):
        torch.jit.script(net).save(str(tmp_path / "net.pt"))
        names.append(torchscript_features(tmp_path / "net.pt").name)
    assert names[0] != names[1]


def test_what_gives_no_features_is_named() -> None:
    with pytest.raises(SparringError, match=r"'whole-\w+': 10 images gave \[10, 3, 4, 6\], not \[10, d\]"):
        module_features(Whole()).of([X])
    with pytest.raises(SparringError, match=r"cannot take images \[10, 4, 6, 3\]"):
        module_features(nn.Conv2d(1, 2, 3)).of([X])
    net = Mean()
    net.scale.data *= float("nan")
    with pytest.raises(SparringError, match="NaN or infinite"):
        module_features(net).of([X])
