"""Train the independent MNIST classifier whose 128 features the quality benchmark measures in.

    python benchmarks/mnist_classifier.py            # about 9 minutes on 2 cores

It shares no code with `sparring`, never sees a generated image, and is written to
`benchmarks/cache/mnist_classifier.safetensors` (not in git); the JSON beside the results keeps its accuracy and hash.
"""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

HERE = Path(__file__).parent
CACHE = HERE / "cache" / "mnist_classifier.safetensors"


def mnist(split: str) -> tuple[Tensor, Tensor]:
    """Images uint8 `[N, 1, 28, 28]` and labels int64 `[N]` of `split` ("train" or "t10k")."""
    folder = Path(os.environ.get("SPARRING_DATA", HERE / "../../shared/data")) / "mnist"
    with gzip.open(folder / f"{split}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{split}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))


class Classifier(nn.Module):
    """VGG-like net for 28x28 grey images in [-1, 1]; `features` gives the 128 values before the last layer."""

    def __init__(self) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        self.body = nn.Sequential(
            *block(1, 32), *block(32, 32), nn.MaxPool2d(2),
            *block(32, 64), *block(64, 64), nn.MaxPool2d(2),
            *block(64, 128), *block(128, 128), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(128 * 9, 128), nn.BatchNorm1d(128), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(128, 10)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.features(x), 0.3, self.training))


def augment(x: Tensor) -> Tensor:
    """A random small rotation, scale, shear and shift of each image."""
    n = len(x)
    angle = (torch.rand(n) * 2 - 1) * 0.21
    scale = 1 + (torch.rand(n) * 2 - 1) * 0.1
    shear = (torch.rand(n) * 2 - 1) * 0.1
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    shift = (torch.rand(n, 2) * 2 - 1) * (2.5 / 14)
    theta = torch.stack([torch.stack([cos, -sin + shear, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def errors(net: Classifier, images: Tensor, labels: Tensor) -> int:
    net.eval()
    with torch.no_grad():
        wrong = [
            int((net(x.float() / 127.5 - 1).argmax(1) != y).sum())
            for x, y in zip(images.split(500), labels.split(500), strict=True)
        ]
    return sum(wrong)


def train(epochs: int = 14, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    images, labels = mnist("train")
    net = Classifier().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    steps = epochs * (len(images) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(epochs):
        start = time.perf_counter()
        net.train()
        for index in torch.randperm(len(images))[: len(images) // 128 * 128].split(128):
            x = augment(images[index].float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(x)
            optimizer.zero_grad()
            F.cross_entropy(logits.float(), labels[index]).backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}  {errors(net, *mnist('t10k'))} errors of 10000  {time.perf_counter() - start:.0f} s")
    return net


def load() -> Classifier:
    """The trained classifier in eval mode, trained first where it is not there yet."""
    if not CACHE.exists():
        CACHE.parent.mkdir(exist_ok=True)
        save_file({k: v.contiguous() for k, v in train().state_dict().items()}, CACHE)
    net = Classifier()
    net.load_state_dict(load_file(CACHE))
    return net.eval()


if __name__ == "__main__":
    print(errors(load(), *mnist("t10k")), "errors of 10000")
