"""Features of the standard FID network, with the published weights from a file or the web.

Everything is float32, without bf16, TF32 or channels_last, so that scores are comparable between machines and papers.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from sparring.data.files.download import download
from sparring.data.resolve import cache_folder
from sparring.engine.device import full_precision
from sparring.engine.errors import SparringError, UsageError
from sparring.nets.inception import FEATURES, Inception, prepare

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Hash of the published file: weights of TensorFlow's graph of 2015-12-05, distributed by pytorch-fid, Apache-2.0."""
URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
CHUNK_IMAGES = 16
"""Images per forward pass: more are no faster, and take more memory."""


def load_inception(weights: str | Path | None = None) -> tuple[Inception, str]:
    """Return the network in eval mode on the CPU, and the sha256 of its weights file.

    `weights` is a .pth or .safetensors file with the published tensor names; None downloads the published file once,
    about 96 MB. Raises UsageError for a file without such weights. `inception_name` distinguishes other weights.
    """
    path = _published() if weights is None else Path(weights).expanduser()
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}: weights are a .pth or .safetensors file, the published ones are at {URL}"
        )
    try:
        with open(path, "rb") as file:
            file_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SparringError(f"{path} cannot be read: {error.strerror or error}") from error
    if weights is None and file_hash != SHA256:
        raise SparringError(f"{path} is no longer the downloaded file: remove it to download it again")
    state = _read(path)
    with torch.device("meta"):  # skips the random initialisation of weights that are replaced
        net = Inception()
    _check(state, net.state_dict(), path)
    net.load_state_dict(state, assign=True)
    return net.float().eval().requires_grad_(False), file_hash


def inception_name(sha256: str) -> str:
    """Return the network's name in scores: `inception-2015` for the published weights, else with the hash of the file.

    >>> inception_name(SHA256), inception_name("beef" * 16)
    ('inception-2015', 'inception-beef')
    """
    return "inception-2015" if sha256 == SHA256 else f"inception-{sha256[:4]}"


def inception_features(net: Inception) -> Callable[[Tensor], Tensor]:
    """Return a function: images `[B, C, H, W]` in [-1, 1], 1 or 3 channels, any size -> features `[B, 2048]`, float32.

    Values are rounded to 256 levels, since published scores are those of 8-bit images.
    """

    def features(x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise UsageError(
                f"the Inception network needs images [B, C, H, W] of 1 or 3 channels, not "
                f"{list(x.shape)}: use --features trained, which takes any number of channels"
            )
        device = net.fc.weight.device
        with torch.no_grad(), torch.autocast(device.type, enabled=False), full_precision():
            chunks = [net(prepare(_pixels(chunk.to(device)))) for chunk in torch.split(x, CHUNK_IMAGES)]
        return torch.cat(chunks) if len(x) else torch.empty(0, FEATURES, device=device)

    return features


def _pixels(x: Tensor) -> Tensor:
    """Convert `[B, 1 or 3, H, W]` in [-1, 1] to `[B, 3, H, W]`, integers 0 to 255 as float32."""
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
    """Return the tensors by name, on the CPU, without the training counters that some files have."""
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
    """Raise UsageError for the first tensor that is missing, of another shape, or unknown."""
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
    if unknown := next((name for name in state if name not in wanted), None):
        raise UsageError(where + f"it has {unknown} too, which the network has not")
