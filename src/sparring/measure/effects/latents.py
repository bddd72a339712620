"""The latents of a generator: how samples are rendered, and which coordinates each layer reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CHUNK_SAMPLES = 250
"""Samples in a forward pass."""


@dataclass(frozen=True)
class Latents:
    """Inputs of N samples."""

    z: Tensor
    """Noise, `[N, d]`."""
    y: Tensor
    """Labels `[N]` or vectors `[N, K]`; -1 where there are none."""

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, idx: slice) -> Latents:
        return Latents(self.z[idx], self.y[idx])

    def moved(self, step: Tensor) -> Latents:
        """Return the latents with noise that is `step` `[d]` farther, and equal labels."""
        return Latents(self.z + step, self.y)

    def chunks(self) -> Iterator[Latents]:
        """Yield the latents, CHUNK_SAMPLES at a time."""
        return (self[k : k + CHUNK_SAMPLES] for k in range(0, len(self), CHUNK_SAMPLES))


def slerp(a: Tensor, b: Tensor, at: float | Tensor) -> Tensor:
    """Interpolate vectors `[..., d]` along the arcs between them (Shoemake 1985, section 3.3).

    `at` is a number, or one for each vector, `[..., 1]`. Where two vectors have no arc, they are joined by a line.

    >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 1 / 3)
    tensor([0.8660, 0.5000])
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1, eps=1e-12).clamp(-1, 1)[..., None]
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    arc = (torch.sin((1 - at) * angle) * a + torch.sin(at * angle) * b) / sine
    return torch.where(sine < 1e-4, a + at * (b - a), arc)


Render = Callable[[Latents], Tensor]
"""Map of latents to examples `[N, *shape]`, float32."""


def in_chunks(render: Render) -> Render:
    """Return the same map with few samples in each forward pass."""
    return lambda latents: torch.cat([render(chunk) for chunk in latents.chunks()])


@dataclass(frozen=True)
class Layers:
    """Coordinates of the noise that the same layers read."""

    name: str
    columns: Tensor
    """Numbers of the coordinates, `[n]`."""
    weight: Tensor
    """Weights of these layers, `[outputs, n]`."""


def layers_of(net: nn.Module, render: Render, latents: Latents) -> list[Layers]:
    """Return the linear layers that read noise unchanged, by the coordinates that they read.

    `render` passes `latents`, a few of them, through `net`. A layer counts if columns of its input are coordinates of
    the noise. It is empty for networks whose first layer is no linear one.
    """
    read: dict[str, Tensor] = {}

    def watch(name: str, layer: nn.Linear) -> torch.utils.hooks.RemovableHandle:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            given = args[0].detach().float().cpu()
            if given.dim() == 2 and len(given) == len(latents):
                equal = (given[:, :, None] == latents.z[:, None, :]).all(0)  # [inputs, d]
                if bool(equal.any()):
                    read[name] = layer.weight.detach().float().cpu() @ equal.float()

        return layer.register_forward_hook(hook)

    hooks = [watch(name, module) for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    try:
        render(latents)
    finally:
        for hook in hooks:
            hook.remove()
    return _grouped(read)


def _grouped(read: dict[str, Tensor]) -> list[Layers]:
    """Return layers by the coordinates that they read, from the weight `[outputs, d]` of each."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, weight in read.items():
        columns = tuple(weight.abs().sum(0).nonzero().flatten().tolist())
        groups.setdefault(columns, []).append(name)
    grouped = []
    for columns, names in groups.items():
        idx = torch.tensor(columns)
        weight = torch.cat([read[name][:, idx] for name in names])
        grouped.append(Layers(_common(names), idx, weight))
    return grouped


def _common(names: list[str]) -> str:
    """Return the first parts that dotted names share; the first name where they share none."""
    shared = []
    for parts in zip(*(name.split(".") for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared) or names[0]
