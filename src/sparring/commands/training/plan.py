"""Plan a training before it starts: number of examples, time, memory, and when it logs, measures and saves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn

from sparring.engine import dist
from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.device import Hardware, memory_available
from sparring.engine.errors import SparringError
from sparring.engine.loop import BatchSource, System, play
from sparring.measure.diagnostics.training_length import Enough, TrainingLength, number_of
from sparring.nets.obfuscator import Obfuscator
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import GANRecipe, Recipe

PROBE_SECONDS = 4.0
"""Duration of the speed probe; at most a tenth of the training time."""
OVERHEAD_FRACTION = 0.03
"""Fraction of the training time that is kept for saving, showing and measuring."""
BASE_BYTES = 600_000_000
"""Memory of Python, torch and its libraries."""
UNPLANNED = 1 << 50
"""Number of examples of a training that another condition ends."""


@dataclass(frozen=True)
class PostTraining:
    """What a command does after the training, and how long that takes."""

    what: str
    """Its steps, as in `calibration and testing`."""
    seconds: float
    """Estimated duration."""

    def to_text(self) -> str:
        """Return the duration and the steps."""
        minutes = self.seconds / 60
        seconds = f"{self.seconds:.0f}" if self.seconds >= 10 else "a few"
        duration = f"about {minutes:.1f} minutes" if minutes >= 0.95 else f"{seconds} seconds"
        return f"{duration} of {self.what}"


@dataclass(frozen=True)
class Plan:
    """Number of examples, and the intervals of callbacks. A resumed run follows the plan in its run.json."""

    images: int
    """Number of training examples to draw."""
    batch_size: int
    log_every: int
    show_every: int
    save_every: int
    minutes: float | None = None
    """Training time that was requested; None: a number of examples was."""
    images_per_second: float | None = None
    """Speed that the probe measured."""

    @classmethod
    def of(cls, images: int, batch_size: int, minutes: float | None = None, speed: float | None = None) -> Plan:
        """Return a plan for `images`, rounded up to whole batches: about 200 lines of metrics, 40 frames, 10 saves."""
        images = max(-(-images // batch_size), 1) * batch_size

        def every(times: int, max_seconds: float, unit: int) -> int:
            interval = images / times if speed is None else min(images / times, max_seconds * speed)
            return max(round(interval / unit), 1) * unit

        log = every(200, 60, batch_size)  # the others are multiples, so that a resumed run loses no metrics
        return cls(images, batch_size, log, every(40, 600, log), every(10, 300, log), minutes, speed)

    @classmethod
    def in_minutes(
        cls, minutes: float, build: Callable[[int], System], loader: BatchSource, hardware: Hardware
    ) -> Plan:
        """Return a plan for the examples that `minutes` allow at a probed speed, with time left to save and show."""
        speed = measure_speed(lambda: build(UNPLANNED), loader, hardware, minutes)
        return cls.of(int(minutes * 60 * speed * (1 - OVERHEAD_FRACTION)), loader.batch_size, minutes, speed)

    def length_text(self) -> str:
        """Return the length as `2 minutes (4,992 examples)`, or `4,992 examples`."""
        examples = f"{self.images:,} examples"
        return f"{self.minutes:g} minutes ({examples})" if self.minutes else examples

    def minutes_of(self, images: int) -> float | None:
        """Return the minutes that training on `images` takes; None where the speed was not measured."""
        return images / self.images_per_second / (1 - OVERHEAD_FRACTION) / 60 if self.images_per_second else None

    def to_text(self, hardware: Hardware, memory: int | None, unit: str, then: PostTraining) -> str:
        """Return the plan as one line; `unit` is what an example is called, in the plural."""
        text = f"plan: {self.images:,} {unit} in batches of {self.batch_size}"
        if (minutes := self.minutes_of(self.images)) is None:
            text += f", then {then.to_text()}"
        else:
            end = time.strftime("%H:%M", time.localtime(time.time() + minutes * 60 + then.seconds))
            text += f" at {self.images_per_second:,.0f} {unit}/s: {minutes:.1f} minutes, then {then.to_text()}"
            text += f", done at {end}"
        if memory is not None:
            text += f"; about {memory / 1e9:.1f} GB of memory"
        return f"{text}; {hardware.describe()}"

    def outlook(self, examples: int, enough: Enough) -> str:
        """Return the passes over that many examples, and of a short training what to expect and how long is enough."""
        length = TrainingLength(self.images, examples, self.batch_size)
        if not enough.too_short(length):
            return f"{length.passes_text()}, {length.rounds:,} rounds"
        longer = replace(length, sampled=enough.smallest(length))
        minutes = self.minutes_of(longer.sampled)
        way_out = f"--images {longer.sampled}" if minutes is None else f"--minutes {math.ceil(minutes)}"
        gives = f"{number_of(longer.passes)} passes, {longer.rounds:,} rounds"
        return f"{length.passes_text()}, {length.rounds:,} rounds: expect {enough.outcome}; {way_out} gives {gives}"


def measure_speed(build: Callable[[], System], loader: BatchSource, hardware: Hardware, minutes: float) -> float:
    """Return the examples per second of rounds on a separate system, the first of which are left out."""
    system, size, seconds = build(), loader.batch_size, min(PROBE_SECONDS, minutes * 6)
    rounds: list[float] = []
    begin = time.perf_counter()

    def enough() -> bool:
        if hardware.device.type == "cuda":
            torch.cuda.synchronize()
        rounds.append(time.perf_counter())
        return len(rounds) > 3 and rounds[-1] - begin > seconds

    play(system, loader, total=UNPLANNED, hardware=hardware, should_stop=enough)
    measured = rounds[2:] if len(rounds) > 3 else rounds[1:]
    speed = size * (len(measured) - 1) / (measured[-1] - measured[0])
    return dist.broadcast(int(speed * 1000)) / 1000


def memory_needed(recipe: Recipe, spec: Any) -> int:
    """Estimate the peak memory of a training in bytes, on networks without storage.

    Weights with gradients, Adam's moments and the average; and the activations of the discriminator's turn with a
    penalty: each is kept for the backward pass, and once more for the backward pass through the gradient. Of a density
    model the activations are those of `log_prob`.
    """
    with torch.device("meta"):
        nets = recipe.nets(spec)
    weights = sum(p.numel() for net in nets.values() for p in net.parameters()) * 4 * 5
    rows, generator, labels = recipe.batch_size // dist.world_size(), 0, tuple[Tensor, ...]()
    x = torch.zeros(1, *spec.shape, device="meta")
    if isinstance(recipe, DensityRecipe):
        rows //= recipe.accumulation_steps
        net: Any = nets["generator"].eval()
        label = torch.zeros(1, dtype=torch.int64, device="meta") if recipe.classes(spec) else None
        activations = 3 * _activations(net, lambda: net.log_prob(x, label))
        if "discriminator" in nets:
            given = () if label is None else (label,)
            activations += 12 * _activations(nets["discriminator"].eval(), lambda: nets["discriminator"](x, *given))
        return BASE_BYTES + weights + max(rows, 1) * 4 * activations
    if isinstance(recipe, GANRecipe):
        rows //= recipe.accumulation_steps
        noise = getattr(nets["generator"], "latent_dim", recipe.latent_dim)
        z, y = torch.zeros(1, noise, device="meta"), torch.zeros(1, dtype=torch.int64, device="meta")
        labels = (y,) if recipe.classes(spec) else ()
        if numbers := len(recipe.condition_stats(spec)):
            labels = (torch.zeros(1, numbers, device="meta"),)
        generator = _activations(nets["generator"].eval(), lambda: nets["generator"](z, *labels))
    judge_net = nets[
        next(name for name in ("obfuscator", "classifier", "regressor", "discriminator", "critic") if name in nets)
    ].eval()
    if isinstance(judge_net, Obfuscator):
        labels = (torch.zeros(1, judge_net.noise_size, device="meta"),)
    judge = _activations(judge_net, lambda: judge_net(x, *labels))
    return BASE_BYTES + weights + max(rows, 1) * 4 * (generator * 3 + judge * 2 * 6)


def _activations(net: nn.Module, forward: Callable[[], object]) -> int:
    """Count the numbers that the layers of `net` put out during `forward`."""
    count = 0

    def add(module: nn.Module, inputs: object, out: Tensor | tuple[Tensor, ...]) -> None:
        nonlocal count
        count += sum(each.numel() for each in (out if isinstance(out, tuple) else (out,)))

    hooks = [m.register_forward_hook(add) for m in net.modules() if not list(m.children())]
    with torch.no_grad():
        forward()
    for hook in hooks:
        hook.remove()
    return count


def check_memory(recipe: Recipe, spec: Any, hardware: Hardware) -> int:
    """Return the memory needed; raise SparringError where less is free, naming a size of images that fits."""
    needed = memory_needed(recipe, spec)
    free = torch.cuda.mem_get_info()[0] if hardware.device.type == "cuda" else memory_available()
    if free is None or needed < free * 0.95:
        return needed
    fits = next((flag for flag, less in smaller(spec) if memory_needed(recipe, less) < free * 0.8), None)
    size = "x".join(map(str, spec.shape))
    raise SparringError(
        f"{spec.plural} of {size} in batches of {recipe.batch_size} need about {needed / 1e9:.0f} GB of memory, "
        f"{free / 1e9:.0f} GB are free: {f'{fits} fits; or ' if fits else ''}take a smaller --batch-size, "
        "or a larger --accumulation-steps"
    )


@singledispatch
def smaller(spec: DataSpec) -> Iterator[tuple[str, DataSpec]]:
    """Yield smaller and smaller forms of the same data, each with the flag that brings the data to it."""
    yield from ()


@smaller.register
def _image(spec: ImageSpec) -> Iterator[tuple[str, DataSpec]]:
    height, width = spec.height, spec.width
    while min(height, width) > 1:
        height, width = height * 3 // 4 or 1, width * 3 // 4 or 1
        yield f"--size {height}x{width}", replace(spec, height=height, width=width)
