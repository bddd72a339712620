"""Speed of the training step with few labels, against a textbook implementation of the same networks and losses.

    python benchmarks/fewlabels_step.py    # both recipes, two sizes: about 5 minutes on 2 cores with bf16, idle machine
    python benchmarks/fewlabels_step.py --device cuda --rounds 200 --name fewlabels_step_cuda    # about a minute

`sparring`: the recipe as `sparring classify` runs it: bf16 and channels_last where the hardware has them, one forward
pass for labelled, unlabelled and generated images, fused weight normalisation, fused Adam where the recipe has it.
`textbook`: float32, NCHW, one forward pass per kind of image, Adam without fusing, torch's parametrization for weight
normalisation. The augmentation is the same code. On CUDA `sparring` replays CUDA graphs; `eager` is the same without
graphs.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from record import alternate, ratios, save, spread, to_text
from step import CLASSES, SHAPES, TARGET, MemoryFeed, Sparring, keep_contiguous
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.parametrizations import weight_norm

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.game import Batch, freeze_others
from sparring.engine.loop import System
from sparring.games.semi_supervised import LABELLED_SALT, SemiSupervisedGAN, real_or_generated
from sparring.nets.weight_norm import WeightNormalised
from sparring.recipes import recipe_class, recipes_for


class FewLabelsFeed(MemoryFeed):
    """The same, of which `labelled` images have labels."""

    def __init__(self, spec: ImageSpec, batch_size: int, labelled: int, device: torch.device) -> None:
        super().__init__(spec, batch_size)
        few = MemoryFeed(spec, labelled).batches(0, 0)[0]
        self.few, self.device = (few.x.to(device), few.y.to(device)), device

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """One batch, with the labelled images on demand."""
        return [
            replace(batch, x=batch.x.to(self.device), y=batch.y.to(self.device), labelled=lambda: self.few)
            for batch in super().batches(nimg, turn)
        ]


class Parametrised(nn.Module):
    """A normalised layer with torch's `weight_norm`, which computes its weights anew whenever they are read."""

    def __init__(self, layer: WeightNormalised) -> None:
        super().__init__()
        self.direction, self.bias, self.apply_weight = layer.direction, layer.bias, layer._apply_weight
        weight_norm(self, "direction", dim=layer._output_dim)
        length: Any = self.parametrizations.direction.original0  # type: ignore[union-attr]
        length.data.copy_(layer.scale.detach().view_as(length))
        length.requires_grad_(isinstance(layer.scale, nn.Parameter))

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_weight(x, self.direction, self.bias)


def parametrised(net: nn.Module) -> nn.Module:
    """`net` with all its normalised layers replaced."""
    for module in list(net.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, WeightNormalised):
                module._modules[name] = Parametrised(layer)
    return net


class Textbook:
    """The same game, as tutorials write it."""

    def __init__(self, system: System, feed: FewLabelsFeed) -> None:
        assert isinstance(system.game, SemiSupervisedGAN)
        self.game, self.feed, self.nimg = system.game, feed, 0
        for net in (*self.game.players.values(), system.ema.net):
            keep_contiguous(net)
        self.average = system.ema
        self.optimizers = {
            name: type(made)(
                made.param_groups[0]["params"], **{k: made.defaults[k] for k in ("lr", "betas", "weight_decay")}
            )
            for name, made in system.optimizers.items()
        }  # fmt: skip

    def rounds(self, count: int) -> None:
        """Play `count` rounds more: each player's turns, and the average of both."""
        for _ in range(count):
            for turn, player in enumerate(self.game.turns):
                (batch,) = self.feed.batches(self.nimg, turn)
                batch = replace(batch, x=batch.x.contiguous())
                with freeze_others(self.game, player):
                    self.optimizers[player].zero_grad()
                    self.loss(player, batch).backward()  # type: ignore[no-untyped-call]
                    self.optimizers[player].step()
            with torch.no_grad():
                for mean, weight in zip(self.average.net.parameters(), self.average.source.parameters(), strict=True):
                    mean.lerp_(weight, 0.01)
            self.nimg += self.feed.batch_size

    def loss(self, player: str, batch: Batch) -> Tensor:
        game = self.game
        if player == "generator":  # there the passes are apart in both ways
            return game.loss(player, batch, 0.0)[0]
        generator, classifier = game.players["generator"], game.players["classifier"]
        assert batch.labelled is not None
        x, y = batch.labelled()
        x = x.contiguous()
        if game.augment is not None:
            x = game.augment(x, batch.derive(x, y, LABELLED_SALT))
        with torch.no_grad():
            fake = generator(batch.normal(game.latent_dim))
        loss = cross_entropy(classifier(x), y)
        loss = loss + game.generated_weight * real_or_generated(classifier(batch.x), classifier(fake))
        for term in game.terms.values():
            loss = loss + term(classifier, batch, 0.0)[0]
        return loss


def contenders(name: str, shape: tuple[int, int, int], device: str) -> dict[str, Sparring | Textbook]:
    """Both ways, each with networks of its own that start from the same weights."""
    spec = ImageSpec(*shape, tuple(str(k) for k in range(CLASSES)), count=60_000)
    hardware = Hardware.find(device)
    recipe = recipe_class(name)().resolve(spec, hardware)
    torch.manual_seed(0)
    nets = recipe.nets(spec)
    feed = FewLabelsFeed(spec, recipe.batch_size, recipe.labelled_batch_size, hardware.device)
    recipe.prepare(nets, feed.batches(0, 0)[0].x.cpu())

    def system(place: Callable[[nn.Module], nn.Module]) -> System:
        return recipe.system(spec, {player: place(copy.deepcopy(net)) for player, net in nets.items()}, total=1 << 40)

    eager = replace(system(hardware.to_device), graph_capturable=False)
    return {
        "sparring": Sparring(system(hardware.to_device), feed, hardware),
        "textbook": Textbook(system(lambda net: parametrised(net).to(hardware.device)), feed),
        **({"eager": Sparring(eager, feed, hardware)} if hardware.device.type == "cuda" else {}),
    }


def timed(way: Sparring | Textbook, rounds: int) -> None:
    """Play, to the end of the last kernel."""
    way.rounds(rounds)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=7, help="times that each way is measured")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of a measurement")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument(
        "--recipes",
        nargs="+",
        default=list(recipes_for("classify", "image")),
        choices=list(recipes_for("classify", "image")),
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--name", default="fewlabels_step", help="of the result file")
    options = parser.parse_args()
    details: dict[str, Any] = {"pairs": options.pairs, "rounds": options.rounds, "seed": 0}
    words, slowest = [], float("inf")
    for recipe in options.recipes:
        for shape in options.shapes:
            ways = contenders(recipe, SHAPES[shape], options.device)
            seconds = alternate(
                {way: partial(timed, it, options.rounds) for way, it in ways.items()}, options.pairs, warm_up=2
            )
            images = options.rounds * ways["sparring"].feed.batch_size
            faster = ratios(seconds["textbook"], seconds["sparring"])
            details[f"{recipe} {shape}"] = {
                "images_per_second": {way: spread([images / s for s in took]) for way, took in seconds.items()},
                "times_faster": spread(faster),
            }
            words.append(f"{recipe} {shape}: {to_text(faster)} times")
            slowest = min(slowest, spread(faster)["median"])
    save(
        options.name, result="; ".join(words), target=f"at least {TARGET:g} times, on a CPU with bf16, or a GPU",
        met=slowest >= TARGET and Hardware.find(options.device).bf16, details=details,
    )  # fmt: skip


if __name__ == "__main__":
    main()
