"""The offline default: a small feature net that is trained on the data themselves, once, and kept.

Where there are labels it learns to tell the classes apart; where there are none, to know an image again in another
crop and other light (SimCLR, Chen et al. 2020, section 2.1). Neither learns to overlook noise or blur.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize

from sparring.engine.atomic_io import atomic_replace
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError
from sparring.engine.game import Batch
from sparring.engine.safetensors_io import digest, load_file, write_tensors
from sparring.measure.features.feature_net import Features
from sparring.measure.features.network_input import as_input
from sparring.measure.features.train_small import Fetch, LabelledRows, train_small_net
from sparring.nets.encoder import Encoder

VERSION = 1
"""Of everything below: part of the key under which nets are kept."""


@dataclass(frozen=True)
class FeatureNetTraining:
    """How the net is trained."""

    features: int = 64
    """Numbers that an image becomes: few, so that a thousand images are enough to compare."""
    width: int = 32
    most: int = 256
    batch_size: int = 256
    images: int = 200_000
    """Drawn for images of 32x32; fewer of larger ones, by their pixels, so that it takes a minute or so anywhere."""
    least: int = 30_000
    lr: float = 2e-3
    temperature: float = 0.2
    """Of the contrast, where there are no labels."""

    def budget(self, spec: ImageSpec) -> int:
        """Images to train on."""
        return max(min(self.images, self.images * 1024 // (spec.height * spec.width)), self.least)


TRAINING = FeatureNetTraining()


class Standardize(nn.Module):
    """An encoder whose features have mean 0 and variance 1 over the data it was trained on."""

    mean: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Images -> `[B, d]`."""
        return (self.encoder.features(x) - self.mean) / self.scale

    def classify(self, features: Tensor) -> Tensor:
        """Features -> logits `[B, K]`."""
        logits: Tensor = self.encoder.head(features * self.scale + self.mean)
        return logits


def trained(
    spec: ImageSpec,
    fetch: Fetch,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    *,
    data: str,
    folder: Path,
    hardware: Hardware,
    training: FeatureNetTraining | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Features:
    """The net of these training images, out of `folder` where it was trained before; `data` is their fingerprint."""
    training = training or TRAINING
    supervised = len(spec.classes) > 1 and float((labels >= 0).mean()) >= 0.5
    outputs = len(spec.classes) if supervised else training.features
    key = [VERSION, data, len(labels), spec.shape, supervised, dataclasses.asdict(training)]
    kept = folder / f"{hashlib.blake2b(json.dumps(key).encode(), digest_size=16).hexdigest()}.safetensors"
    net = Standardize(Encoder(spec.shape, training.width, training.most, training.features, outputs), training.features)
    try:
        net.load_state_dict(load_file(kept))
    except Exception:  # not there yet, or damaged: it is trained
        rows = LabelledRows(fetch, labels, training.batch_size, 0, hardware.device)
        loss = _supervised if supervised else _contrast(training.temperature)
        encoder = train_small_net(
            lambda: Encoder(spec.shape, training.width, training.most, training.features, outputs), loss, rows,
            images=training.budget(spec), lr=training.lr, hardware=hardware, on_progress=on_progress,
        )  # fmt: skip
        assert isinstance(encoder, Encoder)
        net = _standardised(encoder, rows, training.features)
        with atomic_replace(kept) as temporary:
            write_tensors(net.state_dict(), temporary)
    net = net.eval().to(hardware.device)
    weights = digest(net.state_dict())
    about = {
        "kind": "trained on the data, " + ("to tell their classes apart" if supervised else "to know them again"),
        "weights": weights, "resize": None,
    }  # fmt: skip
    return Features(f"trained-{weights[:4]}", net, about, net.classify if supervised else None, device=hardware.device)


@torch.no_grad()
def _standardised(encoder: Encoder, rows: LabelledRows, features: int) -> Standardize:
    net = Standardize(encoder, features)
    count = min(len(rows.labels), 10_000)
    chosen = np.random.default_rng(0).permutation(len(rows.labels))[:count]
    seen = torch.cat(
        [net(as_input(rows.fetch(some), rows.device)) for some in np.array_split(chosen, -(-count // 200))]
    )
    spread, mean = torch.std_mean(seen, 0)
    if not bool(torch.isfinite(seen).all()):
        raise SparringError(
            "the feature net could not be trained on these data: take --features raw, or a net of your own"
        )
    net.mean.copy_(mean)
    largest = float(spread.max())
    net.scale.copy_(spread.clamp_min(1e-3 * largest) if largest > 0 else torch.ones_like(spread))
    return net


def _supervised(net: nn.Module, batch: Batch) -> Tensor:
    """Cross entropy of slightly moved images; those without a label do not count."""
    logits: Tensor = net(_moved(batch, batch.x, smallest=0.9))
    known = batch.y >= 0
    return cross_entropy(logits[known], batch.y[known]) if bool(known.any()) else logits.sum() * 0


def _contrast(temperature: float) -> Callable[[nn.Module, Batch], Tensor]:
    """NT-Xent (Chen et al. 2020, Eq. 1): of all images of the batch, find the one that is the same."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        views = [_relit(batch, _moved(batch, batch.x, smallest=0.6)) for _ in range(2)]
        embedded: Tensor = normalize(net(torch.cat(views)), dim=1)
        alike = embedded @ embedded.T / temperature
        alike.fill_diagonal_(-1e4)
        n = len(batch)
        same = torch.arange(2 * n, device=alike.device).roll(n)
        return cross_entropy(alike, same)

    return loss


def _moved(batch: Batch, x: Tensor, smallest: float) -> Tensor:
    """Each image's own crop, of at least this share of each side, scaled back; what lies outside repeats the edge."""
    scale = smallest + (1 - smallest) * batch.uniform(2) * 1.2  # a little out as well as in
    shift = (batch.uniform(2) * 2 - 1) * (1 - smallest)
    theta = torch.cat([torch.diag_embed(scale), shift[:, :, None]], 2)
    grid = affine_grid(theta, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)


def _relit(batch: Batch, x: Tensor) -> Tensor:
    """Each image in its own light: contrast by 0.6 to 1.4, brightness by up to 0.4 of the range's half."""
    contrast, light = batch.uniform(1, 1, 1) * 0.8 + 0.6, batch.uniform(1, 1, 1) * 0.8 - 0.4
    return x * contrast + light
