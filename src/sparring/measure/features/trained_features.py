"""The offline default: a small feature network, trained once on the data and cached.

With labels it is a classifier. Without labels it is trained by contrast of crops and brightness changes (SimCLR, Chen
et al. 2020, section 2.1). Neither is invariant to noise or blur.
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
"""Version of this file's training: part of the key of cached networks."""


@dataclass(frozen=True)
class FeatureNetTraining:
    """Settings of the training of the feature network."""

    features: int = 64
    """Number of features: few, so that a thousand images are enough for a comparison."""
    width: int = 32
    most: int = 256
    batch_size: int = 256
    images: int = 200_000
    """Training images of 32x32; fewer of larger ones, by their pixels, so that training takes about a minute."""
    least: int = 30_000
    lr: float = 2e-3
    temperature: float = 0.2
    """Temperature of the contrastive loss, used without labels."""

    def budget(self, spec: ImageSpec) -> int:
        """Return the number of training images."""
        return max(min(self.images, self.images * 1024 // (spec.height * spec.width)), self.least)


TRAINING = FeatureNetTraining()


class Standardize(nn.Module):
    """An encoder whose features have mean 0 and variance 1 over its training data."""

    mean: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Return features `[B, d]` of images `[B, C, H, W]`."""
        return (self.encoder.features(x) - self.mean) / self.scale

    def classify(self, features: Tensor) -> Tensor:
        """Return logits `[B, K]` of features `[B, d]`."""
        logits: Tensor = self.encoder.head(features * self.scale + self.mean)
        return logits


def trained_features(
    spec: ImageSpec,
    fetch: Fetch,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    *,
    data: str,
    folder: Path,
    hardware: Hardware,
    training: FeatureNetTraining | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Return the network trained on these images, from the cache `folder` if there; `data` is their fingerprint."""
    training = training or TRAINING
    supervised = len(spec.classes) > 1 and float((labels >= 0).mean()) >= 0.5
    outputs = len(spec.classes) if supervised else training.features
    key = [VERSION, data, len(labels), spec.shape, supervised, dataclasses.asdict(training)]
    cached = folder / f"{hashlib.blake2b(json.dumps(key).encode(), digest_size=16).hexdigest()}.safetensors"
    net = Standardize(Encoder(spec.shape, training.width, training.most, training.features, outputs), training.features)
    try:
        net.load_state_dict(load_file(cached))
    except Exception:  # missing or damaged: train it
        rows = LabelledRows(fetch, labels, training.batch_size, 0, hardware.device)
        loss = _supervised if supervised else _contrast(training.temperature)
        encoder = train_small_net(
            lambda: Encoder(spec.shape, training.width, training.most, training.features, outputs), loss, rows,
            images=training.budget(spec), lr=training.lr, hardware=hardware, on_progress=on_progress,
        )  # fmt: skip
        assert isinstance(encoder, Encoder)
        net = _standardised(encoder, rows, training.features)
        with atomic_replace(cached) as temporary:
            write_tensors(net.state_dict(), temporary)
    net = net.eval().to(hardware.device)
    weights = digest(net.state_dict())
    about = {
        "kind": "trained on the data, " + ("as a classifier" if supervised else "by contrastive learning"),
        "weights": weights, "resize": None,
    }  # fmt: skip
    return Features(f"trained-{weights[:4]}", net, about, net.classify if supervised else None, device=hardware.device)


@torch.no_grad()
def _standardised(encoder: Encoder, rows: LabelledRows, features: int) -> Standardize:
    net = Standardize(encoder, features)
    count = min(len(rows.labels), 10_000)
    idx = np.random.default_rng(0).permutation(len(rows.labels))[:count]
    outputs = torch.cat(
        [net(as_input(rows.fetch(chunk), rows.device)) for chunk in np.array_split(idx, -(-count // 200))]
    )
    std, mean = torch.std_mean(outputs, 0)
    if not bool(torch.isfinite(outputs).all()):
        raise SparringError(
            "the feature net could not be trained on these data: use --features raw, or a custom network"
        )
    net.mean.copy_(mean)
    largest = float(std.max())
    net.scale.copy_(std.clamp_min(1e-3 * largest) if largest > 0 else torch.ones_like(std))
    return net


def _supervised(net: nn.Module, batch: Batch) -> Tensor:
    """Return the cross-entropy of slightly cropped images, without unlabelled ones."""
    logits: Tensor = net(_cropped(batch, batch.x, min_side=0.9))
    labelled = batch.y >= 0
    return cross_entropy(logits[labelled], batch.y[labelled]) if bool(labelled.any()) else logits.sum() * 0


def _contrast(temperature: float) -> Callable[[nn.Module, Batch], Tensor]:
    """Return the NT-Xent loss (Chen et al. 2020, Eq. 1): find the other view of the same image in the batch."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        views = [_brightness_changed(batch, _cropped(batch, batch.x, min_side=0.6)) for _ in range(2)]
        embeddings: Tensor = normalize(net(torch.cat(views)), dim=1)
        similarity = embeddings @ embeddings.T / temperature
        similarity.fill_diagonal_(-1e4)
        n = len(batch)
        positive = torch.arange(2 * n, device=similarity.device).roll(n)
        return cross_entropy(similarity, positive)

    return loss


def _cropped(batch: Batch, x: Tensor, min_side: float) -> Tensor:
    """Return a random crop of each image, of at least `min_side` of each side, resized; outside it repeats the edge."""
    scale = min_side + (1 - min_side) * batch.uniform(2) * 1.2  # a little out as well as in
    shift = (batch.uniform(2) * 2 - 1) * (1 - min_side)
    theta = torch.cat([torch.diag_embed(scale), shift[:, :, None]], 2)
    grid = affine_grid(theta, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)


def _brightness_changed(batch: Batch, x: Tensor) -> Tensor:
    """Return each image with random contrast 0.6 to 1.4 and a brightness shift of up to 0.4."""
    contrast, light = batch.uniform(1, 1, 1) * 0.8 + 0.6, batch.uniform(1, 1, 1) * 0.8 - 0.4
    return x * contrast + light
