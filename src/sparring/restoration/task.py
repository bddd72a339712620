"""What is known of a picture to restore: the operator, the observed pixels, and which of them are fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from sparring.engine.seeds import mix
from sparring.restoration.edge_fill import edge_fill
from sparring.restoration.fill import harmonic_fill, masked_reduce
from sparring.restoration.resample import enlarge, reduce

HELD_OUT_FRACTION = 0.02
"""Proportion of the known pixels that stop the fit, and of those that measure its error."""
BACK_PROJECTIONS = 3
"""Iterations that make an enlargement consistent with the observed pixels (Irani and Peleg 1991)."""
BLOCKS = 16
"""Blocks along each side by which self-made holes are cut and held-out pixels are resampled."""


@dataclass(frozen=True)
class Task:
    """One picture to restore. Pixels are float32 in [0, 1], weights are 0 or 1."""

    kind: str
    """`mask`, `noise`, `scale` or `jpeg`."""
    observed: Tensor
    """`[1, C, h, w]`"""
    fitted: Tensor
    """Weights of the observed pixels that the loss sees, `[1, 1, h, w]`."""
    held_out: Tensor
    """Weights of the known pixels that stop the fit, `[1, 1, h, w]`."""
    tested: Tensor
    """Weights of the known pixels that measure the error of the result, `[1, 1, h, w]`."""
    factor: int = 1
    """Enlargement."""
    sigma: float = 0.0
    """Standard deviation of the noise of the observed pixels."""

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """Return the stopping rules that apply; the first one decides.

        An enlargement has none: there is no noise to fit, and its moving variance is smallest before it has learnt.
        """
        if self.kind == "scale":
            return ()
        held_out = ("held_out",) if bool(self.held_out.any()) else ()
        return *held_out, "moving_variance", *(("sure",) if self.sigma else ())

    def to(self, device: torch.device) -> Task:
        """Return the task on a device."""
        names = ("observed", "fitted", "held_out", "tested")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the restored picture."""
        height, width = self.observed.shape[2:]
        return height * self.factor, width * self.factor

    def operator(self, x: Tensor) -> Tensor:
        """Return what would be observed of the picture `x` `[1, C, H, W]`."""
        return x if self.factor == 1 else reduce(x, self.factor)

    def lift(self, y: Tensor) -> Tensor:
        """Return observed pixels at the size of the restored picture, by the simplest method."""
        return y if self.factor == 1 else enlarge(y, self.factor)

    def known(self) -> Tensor:
        """Return the weights of all known pixels, `[1, 1, h, w]`."""
        return self.fitted + self.held_out + self.tested

    def baseline(self) -> Tensor:
        """Return the restoration by the simplest method: harmonic fill, bicubic enlargement, or the picture itself."""
        return self.lift(harmonic_fill(self.observed, self.known()))

    def start(self) -> Tensor:
        """Return the restoration that a fit begins with, without the held-out pixels; holes are filled along edges."""
        fill = edge_fill if self.kind == "mask" else harmonic_fill
        return self.lift(fill(self.observed, self.fitted))

    def consistent(self, x: Tensor, error: float = 0.0) -> Tensor:
        """Return the restored picture `x` made consistent with what is known, in [0, 1].

        Known pixels of a mask are put back. What an enlargement misses of the observed pixels is added, enlarged. Noisy
        pixels are averaged with predictions that do not depend on them, by their variances: sigma^2, and `error`, the
        mean square error of `x`.
        """
        if self.kind == "noise":
            own = error / (error + self.sigma**2)
            x = x + own * (self.observed - x)
        if self.kind == "mask":
            known = self.known()
            x = x * (1 - known) + self.observed * known
        for _ in range(BACK_PROJECTIONS if self.factor > 1 else 0):
            x = x + self.lift(self.observed - self.operator(x))
        return x.clamp(0, 1)

    def coarse(self) -> Task:
        """Return the task at half the size of the restored picture, rounded up."""
        if self.factor > 1:
            return replace(self, factor=self.factor // 2)
        observed, fitted = masked_reduce(self.observed, self.fitted)
        nothing = torch.zeros_like(fitted)
        return Task(self.kind, observed, (fitted > 0).float(), nothing, nothing, 1, self.sigma / 2)


def scattered(observed: Tensor, seed: int) -> Tensor:
    """Return the weights of random pixels of `observed`, HELD_OUT_FRACTION of all, `[1, 1, h, w]`."""
    u = torch.rand(1, 1, *observed.shape[2:], generator=torch.Generator().manual_seed(mix(seed, 1)))
    return (u < HELD_OUT_FRACTION).float()


def self_made_holes(known: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return two disjoint sets of known pixels in the shape of the holes, each at most HELD_OUT_FRACTION of all known.

    The holes are shifted around, with the shift of some random ones that hides most known pixels, and cut into blocks,
    of which each set takes random ones.
    """
    generator = torch.Generator().manual_seed(mix(seed, 2))
    h, w = known.shape[2:]
    shifts = [
        (int(torch.randint(h, (), generator=generator)), int(torch.randint(w, (), generator=generator)))
        for _ in range(8)
    ]
    moved = max((known * (1 - known.roll(shift, (2, 3))) for shift in shifts), key=lambda holes: float(holes.sum()))
    block = torch.arange(h)[:, None] * BLOCKS // h * BLOCKS + torch.arange(w) * BLOCKS // w
    order = torch.randperm(BLOCKS * BLOCKS, generator=generator)
    counts = torch.zeros(BLOCKS * BLOCKS).index_add_(0, block.flatten(), moved.flatten())
    limit, sets = float(known.sum()) * HELD_OUT_FRACTION, []
    for half in (order[0::2], order[1::2]):
        selected = torch.zeros(BLOCKS * BLOCKS)
        selected[half] = (counts[half].cumsum(0) <= limit).float()
        sets.append(moved * selected[block])
    return sets[0], sets[1]


def mask_task(observed: Tensor, known: Tensor, seed: int) -> Task:
    """Return the task to fill the pixels where `known` `[1, 1, H, W]` is 0."""
    held_out, tested = self_made_holes(known, seed)
    return Task("mask", observed, known - held_out - tested, held_out, tested)


def noise_task(observed: Tensor, sigma: float, seed: int) -> Task:
    """Return the task to remove noise of standard deviation `sigma`."""
    held_out = scattered(observed, seed)
    return Task("noise", observed, 1 - held_out, held_out, torch.zeros_like(held_out), sigma=sigma)


def scale_task(observed: Tensor, factor: int) -> Task:
    """Return the task to enlarge by 2 or 4.

    No pixel is held out: the error of a held-out pixel is smallest long before that of the enlargement.
    """
    return replace(jpeg_task(observed), kind="scale", factor=factor)


def jpeg_task(observed: Tensor) -> Task:
    """Return the task to remove the artefacts of JPEG. Their errors are alike in each block: no pixel is held out."""
    nothing = torch.zeros_like(observed[:, :1])
    return Task("jpeg", observed, nothing + 1, nothing, nothing)
