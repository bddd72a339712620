"""Speed of the training step, against a textbook implementation of the same networks, losses, batches and EMA.

    python benchmarks/step.py                     # r3, two sizes: about 3 minutes on 2 cores, idle machine
    python benchmarks/step.py --recipes all --shapes 32x32x3 --name step_recipes       # every recipe: about 6 minutes

`sparring`: the recipe as `sparring train` runs it, through `engine.loop.play`: bf16 and channels_last where the
hardware has them, one forward pass for real and fake images, one autograd.grad for all penalties, fused Adam.
`textbook`, written out below: float32, NCHW, separate forward passes for real and fake, R1 and R2 each with a forward
pass of its own, Adam without fusing. `textbook_shared_forward`: the same with penalties on the forward passes of the
loss, as in the code of R3's authors. LAPGAN is several such games; the auxiliary heads of S3GAN have separate forward
passes in both.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from record import alternate, ratios, save, spread, to_text
from torch import Tensor, nn

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.game import Batch, freeze_others
from sparring.engine.loop import System, play
from sparring.games.gan import GAN, separate_forward
from sparring.recipes import recipe_class, recipes_for

SHAPES = {"28x28x1": (28, 28, 1), "32x32x3": (32, 32, 3)}
CLASSES = 10
TARGET = 2.0


class MemoryFeed:
    """Batches out of random bytes in memory; the same for both ways."""

    def __init__(self, spec: ImageSpec, batch_size: int) -> None:
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
            should_stop=lambda: next(left, None) is None,
        )  # fmt: skip
        self.nimg = end


class Textbook:
    """The same game, as tutorials write it."""

    def __init__(self, system: System, feed: MemoryFeed, shared_forward: bool) -> None:
        self.game, self.feed, self.shared_forward, self.nimg = system.game, feed, shared_forward, 0
        for net in self.game.players.values():
            keep_contiguous(net.train())
        self.source = system.ema.source
        self.average = copy.deepcopy(self.source).requires_grad_(False)
        self.optimizers = {
            name: torch.optim.Adam(fused.param_groups[0]["params"], **{k: fused.defaults[k] for k in ("lr", "betas")})
            for name, fused in system.optimizers.items()
        }

    def rounds(self, count: int) -> None:
        """Play `count` rounds more: each player's turns, and the average of G."""
        for _ in range(count):
            for turn, player in enumerate(self.game.turns):
                (batch,) = self.feed.batches(self.nimg, turn)
                batch = Batch(batch.x.contiguous(), batch.y, batch.step, batch.seed)
                with freeze_others(self.game, player):
                    self.optimizers[player].zero_grad()
                    self.loss(player, batch).backward()  # type: ignore[no-untyped-call]
                    self.optimizers[player].step()
            with torch.no_grad():
                for mean, weight in zip(self.average.parameters(), self.source.parameters(), strict=True):
                    mean.lerp_(weight, 0.01)
            self.nimg += self.feed.batch_size

    def loss(self, player: str, batch: Batch) -> Tensor:
        game = self.game
        if not isinstance(game, GAN) or game.completion or player == "generator":
            loss, _ = game.loss(player, batch, 0.0)  # in float32, with forwards apart
            return loss
        generator, discriminator = game.players["generator"], game.players["discriminator"]
        y = (batch.y,) if game.conditional else ()
        with torch.no_grad():
            fake = generator(batch.normal(game.latent_dim), *y)
        shared = self.shared_forward and bool(game.penalties)
        real, fake = batch.x.requires_grad_(shared), fake.requires_grad_(shared)
        places = {"real": (real, discriminator(real, *y)), "fake": (fake, discriminator(fake, *y))}
        loss = game.objective.discriminator(places["real"][1], places["fake"][1])
        for penalty in game.penalties:
            x, logits = places[penalty.location]
            if not shared:
                x = x.detach().clone().requires_grad_()
                logits = discriminator(x, *y)
            (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
            loss = loss + penalty.function(gradient).mean() * penalty.weight(0.0)
        return loss


def keep_contiguous(net: nn.Module) -> None:
    """Hold what goes into each layer in NCHW: the networks themselves would go over to channels_last."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda _, given: (given[0].contiguous(), *given[1:]))


def contenders(name: str, shape: tuple[int, int, int]) -> dict[str, Sparring | Textbook]:
    """The ways, each with networks of its own that start from the same weights."""
    spec = ImageSpec(*shape, tuple(str(k) for k in range(CLASSES)), count=60_000)
    hardware = Hardware.find("cpu")
    recipe = recipe_class(name)().resolve(spec, hardware)
    torch.manual_seed(0)
    nets = recipe.nets(spec)
    feed = MemoryFeed(spec, recipe.batch_size)

    def system(place: Callable[[nn.Module], nn.Module]) -> System:
        placed: Mapping[str, nn.Module] = {player: place(copy.deepcopy(net)) for player, net in nets.items()}
        return recipe.system(spec, placed, total=1 << 40)

    def textbook(shared_forward: bool) -> Textbook:
        made = system(lambda net: net)
        if isinstance(made.game, GAN):
            made.game.forward = separate_forward
        return Textbook(made, feed, shared_forward)

    ways: dict[str, Sparring | Textbook] = {
        "sparring": Sparring(system(hardware.to_device), feed, hardware),
        "textbook": textbook(shared_forward=False),
    }
    if name == "r3":
        ways["textbook_shared_forward"] = textbook(shared_forward=True)
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=7, help="times that each way is measured")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of a measurement")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--recipes", nargs="+", default=["r3"], choices=["all", *recipes_for("train")])
    parser.add_argument("--name", default="step", help="of the result file")
    options = parser.parse_args()
    recipes = list(recipes_for("train")) if "all" in options.recipes else options.recipes
    details: dict[str, Any] = {"pairs": options.pairs, "rounds": options.rounds, "seed": 0}
    words, met = [], True
    for recipe in recipes:
        for shape in options.shapes:
            ways = contenders(recipe, SHAPES[shape])
            runs: dict[str, Callable[[], object]] = {
                way: partial(it.rounds, options.rounds) for way, it in ways.items()
            }
            seconds = alternate(runs, options.pairs, warm_up=2)
            images = options.rounds * ways["sparring"].feed.batch_size
            faster = {way: ratios(took, seconds["sparring"]) for way, took in seconds.items() if way != "sparring"}
            name = f"{recipe} {shape}" if len(recipes) > 1 else shape
            details[name] = {
                "images_per_second": {way: spread([images / s for s in took]) for way, took in seconds.items()},
                "times_faster_than": {way: spread(values) for way, values in faster.items()},
            }
            words.append(f"{name}: {to_text(faster['textbook'])} times")
            met = met and spread(faster["textbook"])["median"] >= TARGET
    save(options.name, result="; ".join(words), target=f"at least {TARGET:g} times", met=met, details=details)


if __name__ == "__main__":
    main()
