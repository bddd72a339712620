"""Training step: Sparring's way against the textbook way, with the same networks, loss, batches and average.

    python benchmarks/step.py            # about 3 minutes on 2 cores; nothing else should run

Sparring's way is the recipe R3 as `sparring train` plays it, through `engine.loop.play`: bf16 and channels_last where
the hardware has them, one forward on cat(real, fake), one autograd.grad for both penalties, fused Adam.

The textbook way is written out below: float32, NCHW, D's real and fake forwards apart, R1 and R2 each with a forward
of its own on a copy that requires gradients, Adam without fusing. `textbook_shared_forward` is the same, but with the
penalties on the forwards that the loss needs anyway, as the authors of R3 published it.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from record import alternate, in_words, ratios, save, spread
from torch import Tensor, nn
from torch.nn.functional import softplus

from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.spec import Spec
from sparring.recipes.r3 import R3

SHAPES = {"28x28x1": (28, 28, 1), "32x32x3": (32, 32, 3)}
CLASSES = 10
TARGET = 2.0


class MemoryFeed:
    """Batches out of random bytes in memory; the same for both ways."""

    def __init__(self, spec: Spec, batch_size: int) -> None:
        noise = torch.Generator().manual_seed(0)
        shape = (8 * batch_size, spec.height, spec.width, spec.channels)
        self.pixels = torch.randint(256, shape, generator=noise, dtype=torch.uint8)
        self.labels = torch.randint(len(spec.classes), shape[:1], generator=noise)
        self.batch_size = batch_size

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """One batch, images in [-1, 1] and in channels_last, as the pixels lie."""
        begin = nimg % len(self.pixels)
        x = self.pixels[begin : begin + self.batch_size].permute(0, 3, 1, 2).float() / 127.5 - 1
        return [Batch(x, self.labels[begin : begin + self.batch_size], nimg // self.batch_size, seed=nimg * 2 + turn)]


@dataclass
class Sparring:
    """The recipe's system, played by the loop."""

    system: System
    feed: MemoryFeed
    hardware: Hardware
    nimg: int = 0

    def rounds(self, count: int) -> None:
        """Play `count` rounds more."""
        end = self.nimg + count * self.feed.batch_size
        left = iter(range(count))
        play(
            self.system, self.feed, total=1 << 40, start=self.nimg, hardware=self.hardware,
            until=lambda: next(left, None) is None,
        )  # fmt: skip
        self.nimg = end


class Textbook:
    """The same game, as tutorials write it."""

    def __init__(self, nets: dict[str, nn.Module], recipe: R3, feed: MemoryFeed, shared_forward: bool) -> None:
        self.g, self.d = nets["generator"].train(), nets["discriminator"].train()
        for net in nets.values():
            keep_contiguous(net)
        self.average = copy.deepcopy(self.g).requires_grad_(False)
        betas = (0.0, recipe.beta2)
        self.g_optimizer = torch.optim.Adam(self.g.parameters(), recipe.lr, betas)
        self.d_optimizer = torch.optim.Adam(self.d.parameters(), recipe.lr, betas)
        self.gamma, self.latents, self.feed = recipe.gamma or 1.0, recipe.latents, feed
        self.shared_forward, self.nimg = shared_forward, 0

    def rounds(self, count: int) -> None:
        """Play `count` rounds more: D, G, and the average of G."""
        for _ in range(count):
            self.discriminator_turn(*self.batch(0))
            self.generator_turn(*self.batch(1))
            with torch.no_grad():
                for mean, weight in zip(self.average.parameters(), self.g.parameters(), strict=True):
                    mean.lerp_(weight, 0.01)
            self.nimg += self.feed.batch_size

    def batch(self, turn: int) -> tuple[Tensor, Tensor, Tensor]:
        (batch,) = self.feed.batches(self.nimg, turn)
        return batch.x.contiguous(), batch.y, batch.normal(self.latents)

    def discriminator_turn(self, real: Tensor, y: Tensor, z: Tensor) -> None:
        with torch.no_grad():
            fake = self.g(z, y)
        real, fake = real.requires_grad_(self.shared_forward), fake.requires_grad_(self.shared_forward)
        real_logits, fake_logits = self.d(real, y), self.d(fake, y)
        loss = softplus(fake_logits - real_logits).mean()
        for x, logits in ((real, real_logits), (fake, fake_logits)):
            loss = loss + self.penalty(x, y, logits)
        self.d_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.d_optimizer.step()

    def penalty(self, x: Tensor, y: Tensor, logits: Tensor) -> Tensor:
        """Gamma / 2 * E |grad D(x)|^2."""
        if not self.shared_forward:
            x = x.detach().clone().requires_grad_()
            logits = self.d(x, y)
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return self.gamma / 2 * gradient.square().sum((1, 2, 3)).mean()

    def generator_turn(self, real: Tensor, y: Tensor, z: Tensor) -> None:
        self.d.requires_grad_(False)
        loss = softplus(self.d(real, y) - self.d(self.g(z, y), y)).mean()
        self.g_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.g_optimizer.step()
        self.d.requires_grad_(True)


def keep_contiguous(net: nn.Module) -> None:
    """Hold what goes into each layer in NCHW: the networks themselves would go over to channels_last."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda _, given: (given[0].contiguous(), *given[1:]))


def contenders(shape: tuple[int, int, int]) -> dict[str, Sparring | Textbook]:
    """The three ways, each with networks of its own that start from the same weights."""
    spec = Spec(*shape, tuple(str(k) for k in range(CLASSES)), count=60_000)
    hardware = Hardware.find("cpu")
    recipe = R3().resolve(spec, hardware)
    torch.manual_seed(0)
    nets = recipe.nets(spec)
    feed = MemoryFeed(spec, recipe.batch_size)
    placed = {name: hardware.place(copy.deepcopy(net)) for name, net in nets.items()}
    return {
        "sparring": Sparring(recipe.system(spec, placed, total=1 << 40), feed, hardware),
        "textbook": Textbook(copy.deepcopy(nets), recipe, feed, shared_forward=False),
        "textbook_shared_forward": Textbook(copy.deepcopy(nets), recipe, feed, shared_forward=True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=7, help="times that each way is measured")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of a measurement")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    options = parser.parse_args()
    details: dict[str, object] = {"pairs": options.pairs, "rounds": options.rounds, "seed": 0}
    words, met = [], True
    for name in options.shapes:
        ways = contenders(SHAPES[name])
        runs: dict[str, Callable[[], object]] = {way: partial(it.rounds, options.rounds) for way, it in ways.items()}
        seconds = alternate(runs, options.pairs, warm_up=2)
        images = options.rounds * ways["sparring"].feed.batch_size
        faster = {way: ratios(took, seconds["sparring"]) for way, took in seconds.items() if way != "sparring"}
        details[name] = {
            "images_per_second": {way: spread([images / s for s in took]) for way, took in seconds.items()},
            "times_faster_than": {way: spread(values) for way, values in faster.items()},
        }
        words.append(f"{name}: {in_words(faster['textbook'])} times")
        met = met and spread(faster["textbook"])["median"] >= TARGET
    save("step", result="; ".join(words), target=f"at least {TARGET:g} times", met=met, details=details)


if __name__ == "__main__":
    main()
