"""Differentiable augmentation of what a discriminator sees, for small data sets.

A discriminator that has memorised few images has nothing more to teach. It is therefore shown real and generated
images changed at random, in its own turns and in the generator's, with gradients through the change. What a generator
makes then stays upright and in true colours, as long as enough images are left as they are.

Both modules are called as `augment(x, batch)` on images `[B, C, H, W]` of any size and number of channels, draw all
their noise from the batch, compute in float32 (float64 stays) whatever the precision around them, and can be
differentiated twice, as gradient penalties need.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn

from sparring.data.augment.color_ops import colour_matrix, grey_matrix, tint
from sparring.data.augment.sounds import SoundAugment
from sparring.data.augment.warp import quarter_turns, scale, shift, turn, warp, window, within
from sparring.engine import dist
from sparring.engine.game import Batch
from sparring.engine.precision import at_least_float32

SOUND = "sound"
"""Name of the augmentation of sounds."""


class DiffAugment(nn.Module):
    """Colour, translation and cutout of every image (Zhao et al. 2020, arXiv:2006.10738, section 3).

    Brightness + U(-0.5, 0.5), saturation * U(0, 2) about the pixel's mean (of three channels alone), contrast
    * U(0.5, 1.5) about the image's mean; up to an eighth of each side to move, with zeros behind; a box of half of each
    side, centred anywhere in the image, set to 0. A single pixel is not moved and not cut.
    """

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Images of the same shape, changed."""
        x = at_least_float32(x)
        u = batch.uniform(7).to(x.dtype)
        with _full_precision(x):
            return self._cut(self._coloured(x, u[:, :3]), u[:, 3:])

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Nothing: its strength is fixed."""

    def stats(self) -> dict[str, Tensor | float]:
        """Nothing: there is nothing that moves."""
        return {}

    def _coloured(self, x: Tensor, u: Tensor) -> Tensor:
        brightness, saturation, contrast = u[:, 0] - 0.5, u[:, 1] * 2, u[:, 2] + 0.5
        if x.shape[1] == 3:
            matrix = colour_matrix(contrast, saturation, torch.zeros_like(contrast))
        else:
            matrix = grey_matrix(contrast, x.shape[1])
        return tint(x, matrix, (1 - contrast) * x.mean((1, 2, 3)) + brightness)

    def _cut(self, x: Tensor, u: Tensor) -> Tensor:
        moves, strips = [], []
        for k, side in enumerate(x.shape[2:]):
            most = int(side / 8 + 0.5)
            moves.append(_integer(u[:, k], 2 * most + 1) - most)
            box = int(side / 2 + 0.5)
            start = _integer(u[:, 2 + k], side + 1 - box % 2) - box // 2
            strips.append(within(torch.arange(side, device=x.device) - start[:, None], box))
        hidden = strips[0][:, :, None] & strips[1][:, None, :]
        return window(x, moves[1], moves[0], hidden & (x.shape[2] * x.shape[3] > 1))


class ADA(nn.Module):
    """Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676, Figure 2 and appendix B).

    Each change of geometry and colour (the paper's "bgc") comes to an image with probability `p`, the module's one
    buffer. At p = 0 images stay as they are, bit for bit. Where we differ from the paper: images are read by bilinear
    interpolation, without its filtered upsampling; those that are not square turn by 180 degrees where square ones
    turn by 90; and p ends at `most`, since at p = 1 upright images are no more frequent than flipped or turned ones,
    and nothing tells the generator which to make (section 2.2).

    p follows how far the discriminator has come to tell its images apart: r = E sign(D(real) - D(fake)), over pairs,
    which is 2 * (share of pairs judged rightly) - 1: 0 for chance, 1 for what is memorised. The paper's
    r_t = E sign D(real) is the same with fakes at 0; but in a relativistic game the level of the logits is free, and
    only differences mean something. On pairs the same skill gives a larger r: where logits are normal and lie evenly
    about 0, the paper's 0.6 is 0.77 on pairs.
    """

    p: Tensor

    def __init__(
        self, *, target: float = 0.6, speed_images: float = 500_000, most: float = 0.8, start: float = 0.0
    ) -> None:
        """`p` begins at `start` and stays in [0, `most`]; see `observe`. `speed_images` of infinity hold it still.

        Raises ValueError unless 0 <= start <= most <= 1 and speed_images > 0.
        """
        super().__init__()
        if not (0 <= start <= most <= 1 and speed_images > 0):
            raise ValueError(f"ADA needs 0 <= start <= most <= 1 and speed_images > 0: {start}, {most}, {speed_images}")
        self.target, self.speed_images, self.most = target, speed_images, most
        self.register_buffer("p", torch.tensor(float(start)))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Images of the same shape, changed with probability `p`."""
        x = at_least_float32(x)
        gates, u, n = batch.uniform(13), batch.uniform(8).to(x.dtype), batch.normal(7).to(x.dtype)
        with _full_precision(x):
            p, turned = self.p, 1 - (1 - self.p).sqrt()  # two rotations: together one with probability p
            on = gates < torch.stack([p, p, p, p, turned, p, turned, p, p, p, p, p, p])
            rows = on.any(1).nonzero().squeeze(1)
            if not len(rows):
                return x
            if 2 * len(rows) > len(x):  # picking them out would cost more than the others do
                return self._changed(x, on, u, n)
            return x.index_copy(0, rows, self._changed(x[rows], on[rows], u[rows], n[rows]))

    def _changed(self, x: Tensor, on: Tensor, u: Tensor, n: Tensor) -> Tensor:
        """Every image of `x`, by what is `on` for it."""
        if on[:, :8].any():  # to look costs a GPU one short wait, less than the warp
            x = warp(x, motion_inverse(on[:, :8], u[:, :6], n[:, :4], *x.shape[2:]))
        return tint(x, *colouring(on[:, 8:], u[:, 6:], n[:, 4:], x.shape[1]))

    @torch.no_grad()
    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Move `p` by one step, given logits `[B]` of the same batch: up where r is above the target, down where below.

        A step is B / speed_images: p goes from 0 to 1 in that many images. (The paper's steps are four times as
        large, every fourth batch, by r over these four.) Of several processes each moves a `p` of its own, by
        the images of all, and `engine.dist` averages them.
        """
        r = (real_logits - fake_logits).sign().mean()
        self.p.add_((r - self.target).sign() * (len(real_logits) * dist.world_size() / self.speed_images)).clamp_(
            0, self.most
        )

    def stats(self) -> dict[str, Tensor | float]:
        """`p` as it is now, for the metrics: `augment_p`."""
        return {"augment_p": self.p.clone()}


def motion_inverse(on: Tensor, u: Tensor, n: Tensor, height: int, width: int) -> Tensor:
    """Return the paper's geometry, inverted: maps `[B, 3, 3]` from places in the result to places in the image.

    `on` bool `[B, 8]` tells which changes come, `u` uniform `[B, 6]` and `n` normal `[B, 4]` how strong they are.
    """
    gates = on.to(u.dtype)
    flip, quarters, step, zoom, first, stretch, second, slide = gates.unbind(1)
    mirrored = 1 - 2 * flip * _integer(u[:, 0], 2)
    turns = quarters * (_integer(u[:, 1], 4) if height == width else 2 * _integer(u[:, 1], 2))
    sides = u.new_tensor([width, height])
    step_x, step_y = (step[:, None] * ((u[:, 2:4] - 0.5) / 4 * sides).round()).unbind(1)
    slide_x, slide_y = (slide[:, None] * n[:, 2:4] / 8 * sides).unbind(1)
    before, after = (gate * (2 * torch.pi) * (v - 0.5) for gate, v in ((first, u[:, 4]), (second, u[:, 5])))
    smaller, narrower = (-0.2 * zoom * n[:, 0]).exp2(), (-0.2 * stretch * n[:, 1]).exp2()
    steps = (
        scale(mirrored, torch.ones_like(mirrored)),
        quarter_turns(-turns),
        shift(-step_x, -step_y),
        scale(smaller, smaller),
        turn(-before),
        scale(narrower, 1 / narrower),
        turn(-after),
        shift(-slide_x, -slide_y),
    )
    return reduce(torch.matmul, steps)


def colouring(on: Tensor, u: Tensor, n: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return the paper's colours: matrices `[B, C, C]` and offsets `[B]` for `tint`.

    Brightness and contrast; of three channels also luma flip, hue and saturation. `on` bool `[B, 5]` tells which
    changes come, `u` uniform `[B, 2]` and `n` normal `[B, 3]` how strong they are.
    """
    brighter, harder, flip, hue, saturation = on.to(u.dtype).unbind(1)
    brightness, contrast = 0.2 * brighter * n[:, 0], (0.5 * harder * n[:, 1]).exp2()
    if channels != 3:
        return grey_matrix(contrast, channels), contrast * brightness
    luma = contrast * (1 - 2 * flip * _integer(u[:, 0], 2))
    angle = hue * (2 * torch.pi) * (u[:, 1] - 0.5)
    return colour_matrix(luma, (saturation * n[:, 2]).exp2(), angle), luma * brightness


def _integer(u: Tensor, count: int) -> Tensor:
    """0 to count - 1, int64, each as likely, from `u` uniform in [0, 1)."""
    return (u * count).long()


def _full_precision(x: Tensor) -> torch.autocast:
    return torch.autocast(x.device.type, enabled=False)


AUGMENTS: dict[str, Callable[[tuple[int, ...]], DiffAugment | ADA | SoundAugment]] = {
    "diff": lambda shape: DiffAugment(),
    "ada": lambda shape: ADA(),
    SOUND: lambda shape: SoundAugment(),
}
"""Name -> a fresh augmentation for examples of a shape; SOUND is for sounds, the others are for images."""
