"""A small game for tests, optionally with batch statistics and dropout, which make exact resuming hard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sparring.engine.device import Hardware
from sparring.engine.ema import EMA
from sparring.engine.game import Batch
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.engine.seeds import mix
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import Penalty, r1, r2

CPU = Hardware(torch.device("cpu"), bf16=False)
LATENTS, SHAPE = 4, (3, 8, 8)


class Generator(nn.Module):
    """With a convolution in channels_last, batch statistics (a whole number among them) and dropout."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        self.project = nn.Linear(LATENTS, 8 * 64)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.conv = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.norm(self.project(z).view(-1, 8, 8, 8))
        return torch.tanh(self.conv(h.relu().contiguous(memory_format=torch.channels_last)))


class Discriminator(nn.Module):
    def __init__(self, drop: float = 0.2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(drop), nn.Flatten())
        self.head = nn.Linear(8 * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x)).squeeze(1)
        return logits


@dataclass
class BatchLoader:
    """Batches out of a fixed noise, cut into `parts`."""

    batch_size: int = 8
    parts: int = 1

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        seed = mix(7, nimg, turn)
        x = torch.randn(self.batch_size, *SHAPE, generator=torch.Generator().manual_seed(seed)).tanh()
        y = torch.full((self.batch_size,), -1)
        size = self.batch_size // self.parts
        cuts = [slice(k * size, (k + 1) * size) for k in range(self.parts)]
        return [Batch(x[c], y[c], nimg // self.batch_size, seed, c, self.batch_size) for c in cuts]


def adam(net: nn.Module) -> Optimizer:
    return Adam(net.parameters(), 1e-2, (0.0, 0.9), fused=True)


def make(
    *,
    plain: bool = False,
    penalties: Sequence[Penalty] | None = None,
    optimizer: Callable[[nn.Module], Optimizer] = adam,
    objective: str = "relativistic",
    total: int = 160,
    format: torch.memory_format = torch.channels_last,
) -> System:
    """A system; `plain` leaves batch statistics and dropout out."""
    torch.manual_seed(3)
    nets = {"generator": Generator(norm=not plain), "discriminator": Discriminator(0.0 if plain else 0.2)}
    nets = {name: net.to(memory_format=format) for name, net in nets.items()}  # type: ignore[call-overload]
    paid = [r1(0.5), r2(0.5, 2)] if penalties is None else penalties
    game = GAN(nets["generator"], nets["discriminator"], OBJECTIVES[objective], latent_dim=LATENTS, penalties=paid)
    average = EMA(nets["generator"], lambda at: 0.1 * total)
    moving = {"lr": cosine(1e-2, 1e-3), "beta2": cosine(0.9, 0.99)} if optimizer is adam else {}
    return System(game, {name: optimizer(net) for name, net in nets.items()}, average, dict.fromkeys(nets, moving))


def tensors(system: System) -> dict[str, Tensor]:
    """Everything that a stop must not change, by name."""
    found = {f"{player}.{k}": t for player, net in system.game.players.items() for k, t in net.state_dict().items()}
    found |= {f"average.{k}": t for k, t in system.ema.net.state_dict().items()}
    for player, optimizer in system.optimizers.items():
        for k, values in optimizer.state_dict()["state"].items():
            found |= {f"{player}.{k}.{name}": v for name, v in values.items() if isinstance(v, Tensor)}
    return {name: tensor.clone() for name, tensor in found.items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """The same names, bits and memory formats."""
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype and _order(a[k]) == _order(b[k]) for k in a
    )


def _order(tensor: Tensor) -> list[int]:
    """Strides of the sides that are longer than 1."""
    return [stride for side, stride in zip(tensor.shape, tensor.stride(), strict=True) if side > 1]
