"""The FID network against recorded numbers of torch-fidelity, and against torch-fidelity itself if installed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparring.nets.inception import Inception, prepare, resize_tf1

SHAPES = {
    "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
    "Conv2d_1a_3x3.bn.weight": (32,),
    "Conv2d_4a_3x3.bn.running_var": (192,),
    "Mixed_5b.branch1x1.conv.weight": (64, 192, 1, 1),
    "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
    "Mixed_5d.branch_pool.conv.weight": (64, 288, 1, 1),
    "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
    "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
    "Mixed_6c.branch7x7_2.conv.weight": (160, 160, 1, 7),
    "Mixed_6e.branch7x7dbl_5.bn.running_mean": (192,),
    "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
    "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
    "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch_pool.bn.num_batches_tracked": (),
    "fc.weight": (1008, 2048),
    "fc.bias": (1008,),
}


def made_weights() -> dict[str, Tensor]:
    """Weights by a fixed recipe from each name and shape: numpy promises that RandomState never changes."""
    with torch.device("meta"):
        wanted = Inception().state_dict()
    return {name: _made(name, like) for name, like in wanted.items()}


def _made(name: str, like: Tensor) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    random = np.random.RandomState(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    drawn = torch.from_numpy(random.uniform(-1, 1, like.shape)).float()
    if like.ndim > 1:
        return drawn * (6 / like[0].numel()) ** 0.5  # He: signals neither die nor explode
    return 1 + 0.5 * drawn if name.endswith(("bn.weight", "running_var")) else 0.1 * drawn


def made_pixels() -> Tensor:
    """Two pictures of noise, neither square nor 299 wide, uint8."""
    return torch.from_numpy(np.random.RandomState(0).randint(0, 256, (2, 3, 40, 52)).astype("uint8"))


@pytest.fixture(scope="module")
def net() -> Inception:
    net = Inception().eval().requires_grad_(False)
    net.load_state_dict(made_weights())
    return net


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        net = Inception()
    state = net.state_dict()
    assert {name: tuple(state[name].shape) for name in SHAPES} == SHAPES
    assert len(state) == 94 * 6 + 2  # of each of 94 convolutions the weight and five of its normalisation; fc
    assert sum(p.numel() for p in net.parameters()) == 23_850_960
    assert {m.eps for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.001}


# torch-fidelity 5e211a9, its network in float64 on made_weights() and made_pixels() resized in float32, on a CPU.
# The means over the grid, of CHANNELS.
GOLDEN = {
    "pool_2": [
        [0.46693135399, 1.01312273664, 0.873441514201, 0.495646640556],
        [0.453047106913, 1.00073226498, 0.872760801841, 0.497687267394],
    ],
    "pool_4": [
        [1.21598520033, 0.440717791672, 0.0176214170223, 0.148832351139],
        [1.22990477588, 0.414522483031, 0.0155493835201, 0.135966103498],
    ],
    "Mixed_6e": [
        [0.725916249798, 1.53145403359, 2.57418659839, 1.11143295492],
        [0.738827703627, 1.57785972138, 2.77182213256, 1.14928392473],
    ],
    "features": [
        [
            0.0885118554422,
            2.03719264427,
            0.0866598530857,
            0.0934765149217,
            0.275297633486,
            0.0735247912005,
            0.109354196138,
            7.00178380776,
            0.792702101595,
            0.10115471954,
            3.61426922342,
            0.158498435201,
            0.250447161004,
            2.77945748784,
            0.102435836006,
            0.15083597544,
        ],
        [
            0.0659373425918,
            2.37900342901,
            0.0804852662697,
            0.0735808294743,
            0.218254088011,
            0.0686714599025,
            0.125139449412,
            7.15470572003,
            0.726658562301,
            0.102033420813,
            3.47475569507,
            0.168449984838,
            0.211870464336,
            2.49781833272,
            0.0869671195519,
            0.238504702643,
        ],
    ],
}

CHANNELS = {
    "pool_2": slice(0, None, 16),
    "pool_4": slice(0, None, 48),
    "Mixed_6e": slice(0, None, 192),
    "features": slice(70, None, 128),  # with few zeros
}


def test_features_are_those_of_torch_fidelity(net: Inception) -> None:
    seen: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: seen.update({name: o.mean((2, 3))}))
        for name in GOLDEN
        if name != "features"
    ]
    seen["features"] = net.double()(prepare(made_pixels().float()).double())
    for hook in hooks:
        hook.remove()
    for name, golden in GOLDEN.items():
        expected = torch.tensor(golden, dtype=torch.float64)
        found = seen[name][:, CHANNELS[name]]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")


def test_float32_is_accurate_enough(net: Inception) -> None:
    features = net.float()(prepare(made_pixels().float()))
    assert features.shape == (2, 2048)
    assert (features >= 0).all()
    expected = torch.tensor(GOLDEN["features"])
    torch.testing.assert_close(features[:, CHANNELS["features"]], expected, rtol=0, atol=1e-5 * float(expected.max()))


def test_torch_fidelity_itself(net: Inception, tmp_path: Path) -> None:
    theirs = pytest.importorskip("torch_fidelity", exc_type=ImportError)
    torch.save(net.float().state_dict(), tmp_path / "weights.pth")
    peer = theirs.FeatureExtractorInceptionV3(
        "theirs", ["2048", "logits"], feature_extractor_weights_path=str(tmp_path / "weights.pth")
    )
    features, logits = peer(made_pixels())
    ours = net(prepare(made_pixels().float()))
    torch.testing.assert_close(ours, features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(net.fc(ours), logits, rtol=1e-5, atol=1e-4)


def test_resizing_as_in_tensorflow_1() -> None:
    """By hand: new places are 0, 0.5, 1 and 1.5, and beyond the last pixel it stays."""
    x = torch.tensor([[[[0.0, 8.0], [16.0, 32.0]]]])
    expected = torch.tensor([[0.0, 4, 8, 8], [8, 14, 20, 20], [16, 24, 32, 32], [16, 24, 32, 32]])
    assert torch.equal(resize_tf1(x, 4, 4)[0, 0], expected)
    assert torch.equal(resize_tf1(expected[None, None], 2, 2)[0, 0], x[0, 0])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_properties_of_every_resize(h: int, w: int, height: int, width: int, seed: int) -> None:
    x = torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(seed)) * 255
    resized = resize_tf1(x, height, width)
    assert resized.shape == (2, 3, height, width)
    assert torch.equal(resized[..., 0, 0], x[..., 0, 0])
    assert resized.min() >= x.min() - 1e-4
    assert resized.max() <= x.max() + 1e-4
    assert torch.equal(resize_tf1(x, h, w), x)
    assert torch.equal(resize_tf1(torch.full_like(x, 7.3), height, width), torch.full((2, 3, height, width), 7.3))


def test_scaling_to_the_network_input() -> None:
    x = torch.tensor([0.0, 128.0, 255.0]).view(3, 1, 1, 1).expand(3, 3, 5, 4)
    assert prepare(x).shape == (3, 3, 299, 299)
    assert prepare(x)[:, 0, 0, 0].tolist() == [-1.0, 0.0, 127 / 128]
