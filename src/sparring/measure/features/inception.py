"""Features of the standard FID network: the published weights, from a file or from the web, and pictures put into it.

All is float32: no bf16, no TF32, no channels_last, so that figures compare between machines and with those of others.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from sparring.data.download import download
from sparring.data.resolve import cache_folder
from sparring.engine.device import full_precision
from sparring.engine.errors import SparringError, UsageError
from sparring.nets.inception import FEATURES, Inception, prepare

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of the published file: the weights of TensorFlow's graph of 2015-12-05 as pytorch-fid gives them out, Apache-2.0."""
URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
AT_ONCE = 16
"""Pictures: more at once are no faster, and take more memory."""


def load_inception(weights: str | Path | None = None) -> tuple[Inception, str]:
    """The network in `eval` mode on the CPU, and the sha256 of the file that its weights come from.

    `weights` is a .pth or .safetensors file with the names of the published one; None fetches that one, once, about
    96 MB. Other weights are taken as they are: `inception_name` tells them apart.
    """
    path = _published() if weights is None else Path(weights).expanduser()
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}: weights are a .pth or .safetensors file, the published ones are at {URL}"
        )
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SparringError(f"{path} cannot be read: {error.strerror or error}") from error
    if weights is None and found != SHA256:
        raise SparringError(f"{path} is no longer the file that was fetched: remove it, and it is fetched again")
    state = _read(path)
    with torch.device("meta"):  # no numbers are drawn for weights that are replaced
        net = Inception()
    _check(state, net.state_dict(), path)
    net.load_state_dict(state, assign=True)
    return net.float().eval().requires_grad_(False), found


def inception_name(sha256: str) -> str:
    """How scores call the network: `inception-2015` with the published weights, else by the sha256 of the file.

    >>> inception_name(SHA256), inception_name("beef" * 16)
    ('inception-2015', 'inception-beef')
    """
    return "inception-2015" if sha256 == SHA256 else f"inception-{sha256[:4]}"


def inception_features(net: Inception) -> Callable[[Tensor], Tensor]:
    """A function of pictures `[B, C, H, W]` in [-1, 1], grey or colour, of any size -> features `[B, 2048]`, float32.

    Values are put back on the 256 steps of the pictures that they come from, as everybody's figures are of 8 bits.
    """

    def features(x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise UsageError(
                f"the Inception network sees pictures [B, C, H, W] in grey or colour, 1 or 3 channels, not "
                f"{list(x.shape)}: take --features trained, which sees all"
            )
        where = net.fc.weight.device
        with torch.no_grad(), torch.autocast(where.type, enabled=False), full_precision():
            parts = [net(prepare(_pixels(part.to(where)))) for part in torch.split(x, AT_ONCE)]
        return torch.cat(parts) if len(x) else torch.empty(0, FEATURES, device=where)

    return features


def _pixels(x: Tensor) -> Tensor:
    """`[B, 1 or 3, H, W]` in [-1, 1] -> `[B, 3, H, W]`, whole numbers in 0..255 as float32."""
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).expand(-1, 3, -1, -1)


def _published() -> Path:
    try:
        return download(f"{URL}#sha256={SHA256}", cache_folder() / "downloads" / "inception-2015", limit=1 << 28)
    except SparringError as error:
        raise SparringError(
            f"{error}. Without these weights: fetch {URL} by hand and give it as --weights PATH, or take "
            "--features trained, which needs no network"
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, without the counters of training that some files have."""
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, that an unsafe way to read would read more
            # weights_only is an unpickler that admits tensors and plain containers alone
            read = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # whatever the readers raise about bytes that are no weights
        raise UsageError(f"{path} holds no weights: it is no whole .pth or .safetensors file of tensors") from error
    if not isinstance(read, Mapping):
        raise UsageError(f"{path} holds no weights: it is a {type(read).__name__}, not tensors by name")
    return {str(name): value for name, value in read.items() if not str(name).endswith(".num_batches_tracked")}


def _check(state: Mapping[str, object], wanted: Mapping[str, Tensor], path: Path) -> None:
    """Raise UsageError naming the first tensor that is missing, of another shape, or too many."""
    where = f"{path} holds no weights of the FID network: "
    for name, like in wanted.items():
        if name.endswith(".num_batches_tracked"):
            continue
        if name not in state:
            raise UsageError(where + f"{name} is missing; the published weights are at {URL}")
        value = state[name]
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise UsageError(where + f"{name} is no tensor of floats")
        if value.shape != like.shape:
            raise UsageError(where + f"{name} is {list(value.shape)}, not {list(like.shape)}")
    if odd := next((name for name in state if name not in wanted), None):
        raise UsageError(where + f"it has {odd} too, which the network has not")
