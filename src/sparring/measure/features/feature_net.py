"""What looks at images for a score: a network with a name of its own, which becomes part of the score's name."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import SparringError, UsageError
from sparring.engine.safetensors_io import digest
from sparring.measure.features.inception import inception_features, inception_name, load_inception
from sparring.measure.features.network_input import as_input

Net = Callable[[Tensor], Tensor]
"""Images `[B, C, H, W]` in [-1, 1] -> `[B, d]`."""


@dataclass(frozen=True)
class Features:
    """A feature net and all that a protocol must tell of it."""

    name: str
    """`trained-1a2b`, `inception-2015`: part of every score's name."""
    net: Net
    about: Mapping[str, Any] = field(default_factory=dict)
    """For the protocol: kind, weights' hash, resize filter."""
    classify: Net | None = None
    """Features `[B, d]` -> logits `[B, K]` of the data's classes, where the net knows them."""
    slow: bool = False
    """True where looking at all training images would take hours: others are asked about those."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @torch.no_grad()
    def of(self, chunks: Iterable[NDArray[np.uint8]]) -> Tensor:
        """Features `[N, d]`, float32, of images uint8 `[B, H, W, C]` that come some at a time.

        Raises SparringError where the net gives no `[B, d]` of finite numbers.
        """
        parts = []
        for pixels in chunks:
            try:
                out = self.net(as_input(pixels, self.device))
            except RuntimeError as error:
                told = str(error).strip().splitlines()[-1]
                raise SparringError(
                    f"features '{self.name}' cannot take images {list(pixels.shape)}: {told}"
                ) from error
            if not (isinstance(out, Tensor) and out.ndim == 2 and len(out) == len(pixels) and out.shape[1]):
                got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise SparringError(f"features '{self.name}': {len(pixels)} images gave {got}, not [{len(pixels)}, d]")
            parts.append(out.float().cpu())
        features = torch.cat(parts)
        if not bool(torch.isfinite(features).all()):
            raise SparringError(f"features '{self.name}' hold values that are no finite numbers")
        return features


def raw() -> Features:
    """The values themselves, each image as a row: for tables and very small images."""
    return Features("raw", lambda x: x.flatten(1), {"kind": "raw values", "weights": None, "resize": None})


def of_module(net: nn.Module, name: str | None = None, weights: str | None = None) -> Features:
    """Any network from images `[B, C, H, W]` in [-1, 1] to `[B, d]`, in eval mode.

    It is known by its tensors, and by `weights` where that is given: of its code nothing is known.
    """
    net.eval()
    weights = weights or digest(net.state_dict())
    about = {"kind": "a network of one's own", "weights": weights, "resize": None}
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    return Features(f"{(name or type(net).__name__).lower()}-{weights[:4]}", net, about, device=device)


def of_torchscript(path: Path) -> Features:
    """A TorchScript file with such a network. It runs what is in it: take it from people you trust."""
    if not path.is_file():
        raise UsageError(f"there is no feature net '{path}': give trained, inception, raw, or a TorchScript file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there is no other form that people have today
            net: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a file that is none makes the parser say
        raise UsageError(f"{path} is no TorchScript file: {str(error).strip().splitlines()[0]}") from error
    with open(path, "rb") as file:  # which holds the code as well
        return of_module(net, path.stem, hashlib.file_digest(file, "sha256").hexdigest())


def of_inception(weights: str | Path | None) -> Features:
    """The network of the standard FID, float32; `weights` is a file, None fetches the published one."""
    net, sha256 = load_inception(weights)
    resize = "bilinear to 299x299, as TensorFlow 1"
    about = {"kind": "Inception of 2015-12-05", "weights": sha256, "resize": resize}
    return Features(inception_name(sha256), inception_features(net), about, slow=True)


def by_channel(one: Features, channels: int) -> Features:
    """A net of grey images, for each channel by itself: features side by side, and classes as in Stacked MNIST.

    The class of a picture is the classes of its channels, read as the digits of a number.
    """

    def net(x: Tensor) -> Tensor:
        return one.net(x.flatten(0, 1)[:, None]).view(len(x), -1)

    def classify(features: Tensor) -> Tensor:
        assert one.classify is not None
        each = features.reshape(len(features) * channels, -1)
        logits = one.classify(each).log_softmax(1).view(len(features), channels, -1)
        together = logits[:, 0]
        for k in range(1, channels):
            together = (together[:, :, None] + logits[:, k, None, :]).flatten(1)
        return together

    kind = f"{one.about['kind']}, channel by channel"
    return replace(one, net=net, about={**one.about, "kind": kind}, classify=classify)
