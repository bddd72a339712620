"""What a training will take, before it starts: images, time, memory; and when it saves, shows and measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sparring.data.loader import BatchLoader
from sparring.engine import dist
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware, memory_available
from sparring.engine.errors import SparringError
from sparring.engine.loop import System, play
from sparring.recipes.recipe import GeneratorRecipe, Recipe

PROBE_SECONDS = 4.0
"""How long the speed is measured; at most a tenth of the time there is."""
KEEP_FREE = 0.03
"""Share of the time left for saving, showing and measuring."""


@dataclass(frozen=True)
class Plan:
    """How many images, and every how many something is due. Kept in run.json: a resumed run follows it."""

    images: int
    """Training ends with this image."""
    batch_size: int
    log_every: int
    show_every: int
    save_every: int
    minutes: float | None = None
    """What was asked for, if it was asked in minutes."""
    images_per_second: float | None = None
    """What the probe measured."""

    @classmethod
    def of(cls, images: int, batch_size: int, minutes: float | None = None, speed: float | None = None) -> Plan:
        """A plan for `images`, rounded up to whole batches: some 200 lines of metrics, 40 frames, 10 saves or more."""
        images = max(-(-images // batch_size), 1) * batch_size

        def every(times: int, longest_seconds: float, unit: int) -> int:
            share = images / times if speed is None else min(images / times, longest_seconds * speed)
            return max(round(share / unit), 1) * unit

        log = every(200, 60, batch_size)  # and the others are multiples, so that a resumed run loses no figures
        return cls(images, batch_size, log, every(40, 600, log), every(10, 300, log), minutes, speed)

    @staticmethod
    def images_in(minutes: float, speed: float) -> int:
        """Images that `minutes` allow at `speed` images a second, with time left to save and show."""
        return int(minutes * 60 * speed * (1 - KEEP_FREE))

    def to_text(self, hardware: Hardware, memory: int | None) -> str:
        """One line for people."""
        text = f"plan: {self.images:,} images in batches of {self.batch_size}"
        if self.images_per_second:
            seconds = self.images / self.images_per_second / (1 - KEEP_FREE)
            end = time.strftime("%H:%M", time.localtime(time.time() + seconds))
            text += f" at {self.images_per_second:,.0f} img/s: {seconds / 60:.1f} minutes, done at {end}"
        if memory is not None:
            text += f"; about {memory / 1e9:.1f} GB of memory"
        return f"{text}; {hardware.describe()}"


def measure_speed(build: Callable[[], System], feed: BatchLoader, hardware: Hardware, minutes: float) -> float:
    """Images per second of real rounds, played on a system of their own for a moment, the first rounds apart."""
    system, size, seconds = build(), feed.batch_size, min(PROBE_SECONDS, minutes * 6)
    rounds: list[float] = []
    begin = time.perf_counter()

    def enough() -> bool:
        if hardware.device.type == "cuda":
            torch.cuda.synchronize()
        rounds.append(time.perf_counter())
        return len(rounds) > 3 and rounds[-1] - begin > seconds

    play(system, feed, total=1 << 50, hardware=hardware, should_stop=enough)
    measured = rounds[2:] if len(rounds) > 3 else rounds[1:]
    speed = size * (len(measured) - 1) / (measured[-1] - measured[0])
    return dist.broadcast(int(speed * 1000)) / 1000


def memory_needed(recipe: Recipe, spec: ImageSpec, nets: Mapping[str, nn.Module] | None = None) -> int:
    """Bytes that a training will take at its height, estimated on networks that hold no numbers.

    Weights with gradients, Adam's moments and average, and the activations of the discriminator's turn with a
    penalty: each kept for the backward pass, and once more for the backward pass through the gradient.
    """
    with torch.device("meta"):
        shadows = recipe.nets(spec)
    weights = sum(p.numel() for net in shadows.values() for p in net.parameters()) * 4 * 5
    part, generator, labels = recipe.batch_size // dist.world_size(), 0, tuple[Tensor, ...]()
    if isinstance(recipe, GeneratorRecipe):
        part //= recipe.accumulation_steps
        z, y = torch.zeros(1, recipe.latent_dim, device="meta"), torch.zeros(1, dtype=torch.int64, device="meta")
        labels = (y,) if recipe.classes(spec) else ()
        if numbers := len(recipe.condition_stats(spec)):
            labels = (torch.zeros(1, numbers, device="meta"),)
        generator = _activations(shadows["generator"].eval(), z, *labels)
    part = max(part, 1)
    image = torch.zeros(1, *spec.shape, device="meta")
    judge = _activations(shadows["classifier" if "classifier" in shadows else "discriminator"].eval(), image, *labels)
    return 600_000_000 + weights + part * 4 * (generator * 3 + judge * 2 * 6)


def _activations(net: nn.Module, *inputs: Tensor) -> int:
    count = 0

    def add(module: nn.Module, given: object, out: Tensor) -> None:
        nonlocal count
        count += out.numel()

    hooks = [m.register_forward_hook(add) for m in net.modules() if not list(m.children())]
    with torch.no_grad():
        net(*inputs)
    for hook in hooks:
        hook.remove()
    return count


def check_memory(recipe: Recipe, spec: ImageSpec, hardware: Hardware) -> int:
    """The memory needed; raises SparringError, naming the size that fits, where there is not so much."""
    needed = memory_needed(recipe, spec)
    there = torch.cuda.mem_get_info()[0] if hardware.device.type == "cuda" else memory_available()
    if there is None or needed < there * 0.95:
        return needed
    height, width = spec.height, spec.width
    while min(height, width) > 1:
        height, width = height * 3 // 4 or 1, width * 3 // 4 or 1
        smaller = replace(spec, height=height, width=width)
        if memory_needed(recipe, smaller) < there * 0.8:
            break
    raise SparringError(
        f"images of {spec.height}x{spec.width} in batches of {recipe.batch_size} need about {needed / 1e9:.0f} GB of memory, "
        f"{there / 1e9:.0f} GB are free: --size {height}x{width} fits; or take a smaller --batch-size, or a larger --accumulation-steps"
    )
