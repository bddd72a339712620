"""Where the FID network's weights come from and what is said when they are none; pictures into features."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from sparring.data.resolve import cache_folder
from sparring.engine.errors import SparringError, UsageError
from sparring.measure.features import inception
from sparring.measure.features.inception import inception_features, inception_name, load_inception
from sparring.nets.inception import Inception, prepare


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return dict(Inception().state_dict())


@pytest.fixture(scope="module")
def path(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def net(path: Path) -> Inception:
    return load_inception(path)[0]


@pytest.fixture
def served(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was asked of a server of our own, which gives out `path` as the published file."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *args: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(path.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(inception, "URL", f"http://127.0.0.1:{server.server_port}/weights.pth")
    monkeypatch.setattr(inception, "SHA256", sha256(path))
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(net: Inception, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name].to(value.dtype)) for name, value in net.state_dict().items())


def test_the_published_weights_are_fetched_once(served: list[str], state: dict[str, Tensor]) -> None:
    random = torch.get_rng_state()
    for _ in range(2):
        net, found = load_inception()
        assert same(net, state)
        assert inception_name(found) == "inception-2015"
    assert served == ["/weights.pth"]
    assert [p.name for p in (cache_folder() / "downloads" / "inception-2015").iterdir()] == ["weights.pth"]
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), random), "a score during training must not change the training"


def test_other_bytes_than_the_published_are_refused(served: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "SHA256", "0" * 64)
    with pytest.raises(SparringError, match=r"another sha256.*by hand.*--weights PATH.*--features trained"):
        load_inception()
    folder = cache_folder() / "downloads" / "inception-2015"
    assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == []


def test_a_fetched_file_that_was_changed_is_named(served: list[str]) -> None:
    load_inception()
    fetched = cache_folder() / "downloads" / "inception-2015" / "weights.pth"
    fetched.write_bytes(b"changed")
    with pytest.raises(SparringError, match=f"{fetched} is no longer the downloaded file.*remove it"):
        load_inception()


def test_without_a_network_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/weights.pth")
    with pytest.raises(SparringError, match=r"could not be fetched.*--weights PATH.*--features trained") as raised:
        load_inception()
    assert raised.value.exit_code == 1


def test_what_is_published_is_pinned() -> None:
    assert inception.URL.endswith(f"-{inception.SHA256[:8]}.pth")
    assert len(inception.SHA256) == 64


def test_weights_of_ones_own(path: Path, state: dict[str, Tensor]) -> None:
    net, found = load_inception(str(path))
    assert same(net, state)
    assert found == sha256(path)
    assert inception_name(found) == f"inception-{found[:4]}"


def test_the_older_format_without_counters(state: dict[str, Tensor], tmp_path: Path) -> None:
    """As files of 2018 are."""
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert same(load_inception(tmp_path / "old.pth")[0], state)


def test_safetensors_in_half_precision_become_float32(state: dict[str, Tensor], tmp_path: Path) -> None:
    half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    safetensors.torch.save_file(half, tmp_path / "half.safetensors")
    net, _ = load_inception(tmp_path / "half.safetensors")
    assert same(net, half)
    assert {p.dtype for p in net.parameters()} == {torch.float32}


class Touching:
    """A pickle that would touch a file where it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.path,)


NONE = "holds no weights"
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.pth": (lambda path: None, "there is no file .*missing.pth.*the published ones are at http"),
    "folder.pth": (lambda path: path.mkdir(), "there is no file"),
    "empty.pth": (lambda path: path.touch(), NONE),
    "junk.pth": (lambda path: path.write_bytes(bytes(range(256)) * 9), NONE),
    "junk.safetensors": (lambda path: path.write_bytes(bytes(range(256)) * 9), NONE),
    "page.pth": (lambda path: path.write_text("<html>not found</html>"), NONE),
    "evil.pth": (lambda path: torch.save({"a": Touching(path.with_name("touched"))}, path), NONE),
    "pickle.pth": (lambda path: path.write_bytes(pickle.dumps(Touching(path.with_name("touched")))), NONE),
    "module.pth": (lambda path: torch.save(nn.Linear(2, 2), path), NONE),
    "list.pth": (lambda path: torch.save([1, 2], path), "it is a list, not tensors by name"),
    "nested.pth": (lambda path: torch.save({"state": {}}, path), "Conv2d_1a_3x3.conv.weight is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_file_of_weights(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    make(tmp_path / name)
    with pytest.raises(UsageError, match=words):
        load_inception(tmp_path / name)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("fc.weight", torch.zeros(1000, 2048), r"fc.weight is \[1000, 2048\], not \[1008, 2048\]"),
        ("fc.bias", torch.zeros(1008, dtype=torch.int64), "fc.bias is no tensor of floats"),
        ("fc.bias", None, "fc.bias is no tensor of floats"),
        ("AuxLogits.fc.bias", torch.zeros(1), "it has AuxLogits.fc.bias too"),
    ],
)
def test_weights_of_another_network(
    name: str, value: Tensor | None, words: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(state | {name: value}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match=f"no weights of the FID network: {words}"):
        load_inception(tmp_path / "other.pth")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read all")
def test_weights_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.touch(0o000)
    with pytest.raises(SparringError, match=r"mine.pth cannot be read"):
        load_inception(path)


def test_pictures_of_8_bits_come_back_exactly() -> None:
    steps = torch.arange(256.0).view(1, 1, 16, 16)
    assert torch.equal(inception._pixels(steps / 127.5 - 1), steps.expand(1, 3, 16, 16))
    assert inception._pixels(torch.tensor([-1.2, 1.2]).view(1, 1, 1, 2))[0, 0, 0].tolist() == [0, 255]


def test_grey_is_the_same_in_three_channels(net: Inception) -> None:
    grey = torch.randint(0, 256, (1, 1, 9, 12), generator=torch.Generator().manual_seed(0)) / 127.5 - 1
    features = inception_features(net)
    found = features(grey)
    assert torch.equal(found, features(grey.repeat(1, 3, 1, 1)))
    with torch.no_grad():
        assert torch.equal(found, net(prepare(((grey + 1) * 127.5).round().repeat(1, 3, 1, 1))))


def test_features_are_float32_however_they_are_asked_for(net: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = inception_features(net)
    once = features(x.requires_grad_())
    assert once.shape == (3, 2048)
    assert not once.requires_grad
    monkeypatch.setattr(inception, "CHUNK_IMAGES", 2)
    with torch.autocast("cpu", torch.bfloat16):
        parts = features(x)
    assert parts.dtype == torch.float32
    torch.testing.assert_close(parts, once, rtol=1e-5, atol=1e-5)
    assert features(x[:0]).shape == (0, 2048)


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 4, 8, 8), (2, 5, 8, 8), (2, 1, 100), (2, 7)])
def test_what_are_no_pictures_in_grey_or_colour(shape: tuple[int, ...], net: Inception) -> None:
    with pytest.raises(UsageError, match=r"1 or 3 channels.*--features trained"):
        inception_features(net)(torch.zeros(shape))
