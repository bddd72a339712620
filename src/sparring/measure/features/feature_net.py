"""Feature networks that scores are computed on; the name of the network is part of the score's name."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.pair_spec import split_flat
from sparring.engine.safetensors_io import digest
from sparring.measure.features.inception import inception_features, inception_name, load_inception
from sparring.measure.features.network_input import as_input

Net = Callable[[Tensor], Tensor]
"""Images `[B, C, H, W]` in [-1, 1] -> features `[B, d]`."""


@dataclass(frozen=True)
class Features:
    """A feature network with its name and its entries in the protocol."""

    name: str
    """Name, as `trained-1a2b` or `inception-2015`: part of every score's name."""
    net: Net
    about: Mapping[str, Any] = field(default_factory=dict)
    """Entries for the protocol: kind, hash of the weights, resize filter."""
    classify: Net | None = None
    """Features `[B, d]` -> logits `[B, K]` of the data's classes; None if the network has no classes."""
    slow: bool = False
    """True if features of all training images would take hours: the copy test then uses another network."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    halves: Mapping[str, tuple[str, slice]] = field(default_factory=dict)
    """Name of each half of pairs -> name of its network, and columns of its features."""

    @torch.no_grad()
    def of(self, chunks: Iterable[NDArray[np.uint8]]) -> Tensor:
        """Return features `[N, d]`, float32, of chunks of images uint8 `[B, H, W, C]`.

        Raises SparringError unless the network returns finite features `[B, d]`.
        """
        parts = []
        for pixels in chunks:
            try:
                out = self.net(as_input(pixels, self.device))
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                raise SparringError(
                    f"features '{self.name}' cannot take images {list(pixels.shape)}: {reason}"
                ) from error
            if not (isinstance(out, Tensor) and out.ndim == 2 and len(out) == len(pixels) and out.shape[1]):
                got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise SparringError(f"features '{self.name}': {len(pixels)} images gave {got}, not [{len(pixels)}, d]")
            parts.append(out.float().cpu())
        features = torch.cat(parts)
        if not bool(torch.isfinite(features).all()):
            raise SparringError(f"features '{self.name}' contain NaN or infinite values")
        return features


def raw_features() -> Features:
    """Return the identity, each image flattened to a row: for tables and very small images."""
    return Features("raw", lambda x: x.flatten(1), {"kind": "raw values", "weights": None, "resize": None})


def module_features(net: nn.Module, name: str | None = None, weights: str | None = None) -> Features:
    """Return the features of a network from images `[B, C, H, W]` in [-1, 1] to `[B, d]`, in eval mode.

    Its name contains the hash `weights`, by default that of its tensors; its code is not hashed.
    """
    net.eval()
    weights = weights or digest(net.state_dict())
    about = {"kind": "custom network", "weights": weights, "resize": None}
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    return Features(f"{(name or type(net).__name__).lower()}-{weights[:4]}", net, about, device=device)


def torchscript_features(path: Path) -> Features:
    """Return the features of a TorchScript file. Loading runs its code: use files from trusted sources only."""
    if not path.is_file():
        raise UsageError(f"there is no feature net '{path}': give trained, inception, raw, or a TorchScript file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the common file format of networks today
            net: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # any error of the parser
        raise UsageError(f"{path} is not a TorchScript file: {str(error).strip().splitlines()[0]}") from error
    with open(path, "rb") as file:  # the file contains the code as well
        return module_features(net, path.stem, hashlib.file_digest(file, "sha256").hexdigest())


def standard_inception(weights: str | Path | None) -> Features:
    """Return features of the standard FID network, float32; `weights` is a file, None downloads the published one."""
    net, sha256 = load_inception(weights)
    resize = "bilinear to 299x299, as TensorFlow 1"
    about = {"kind": "Inception of 2015-12-05", "weights": sha256, "resize": resize}
    return Features(inception_name(sha256), inception_features(net), about, slow=True)


def features_by_channel(grey: Features, channels: int) -> Features:
    """Apply a network of grey images to each channel; features are concatenated, classes are those of Stacked MNIST.

    The class of an image is the number whose digits are the classes of its channels.
    """

    def net(x: Tensor) -> Tensor:
        return grey.net(x.flatten(0, 1)[:, None]).view(len(x), -1)

    def classify(features: Tensor) -> Tensor:
        assert grey.classify is not None
        per_channel = features.reshape(len(features) * channels, -1)
        logits = grey.classify(per_channel).log_softmax(1).view(len(features), channels, -1)
        joint = logits[:, 0]
        for k in range(1, channels):
            joint = (joint[:, :, None] + logits[:, k, None, :]).flatten(1)
        return joint

    kind = f"{grey.about['kind']}, channel by channel"
    return replace(grey, net=net, about={**grey.about, "kind": kind}, classify=classify)


def features_side_by_side(halves: Mapping[str, Features], shapes: Sequence[tuple[int, ...]]) -> Features:
    """Return the features of flat pairs `[B, F]`: those of each half, whose network input has one of `shapes`."""

    def net(x: Tensor) -> Tensor:
        parts = zip(halves.values(), split_flat(x, shapes), strict=True)
        return torch.cat([half.net(part) for half, part in parts], 1)

    about = {
        "kind": " and ".join(f"{name}: {half.about['kind']}" for name, half in halves.items()),
        "weights": {name: half.about["weights"] for name, half in halves.items()}, "resize": None,
    }  # fmt: skip
    columns, start = dict[str, tuple[str, slice]](), 0
    for (name, half), shape in zip(halves.items(), shapes, strict=True):
        with torch.no_grad():
            count = half.net(torch.zeros(1, *shape, device=half.device)).shape[1]
        columns[name] = half.name, slice(start, start := start + count)
    device = next(iter(halves.values())).device
    return Features("+".join(half.name for half in halves.values()), net, about, device=device, halves=columns)
