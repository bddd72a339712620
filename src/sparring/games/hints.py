"""Facts told to a generator in place of more data ("a face is roughly symmetric"): Abu-Mostafa 1990's learning from hints.

A hint is a function that says how much each image violates the fact. The generator pays only for violating it more than
real data do, quantile by quantile, so that a fact need not hold for all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, relu

from sparring.engine.errors import SparringError, UsageError, did_you_mean

Violation = Callable[[Tensor], Tensor]
"""Images `[B, C, H, W]` in [-1, 1] -> how much each violates the hint, `[B]`, 0 = obeyed; differentiable.

Best in the unit of a pixel's value, such as the mean of absolute differences: see `FLOOR`."""

FLOOR = 0.05
"""The smallest scale of a violation, in the unit of pixels: a fortieth of their range. Below it data obey, for all purposes."""


def excess(fake: Tensor, real: Tensor) -> Tensor:
    """Mean of max(0, sorted fake - sorted real): what fakes violate more than as many real data, both `[B]`; a scalar.

    One side of the Wasserstein-1 distance, which on a line pairs quantiles (Peyré, Cuturi 2019, section 2.6). Not the
    mean's excess: there images that obey too well pay for others that do not at all, and all are pushed alike. Not the
    largest's: there a single odd image among the data excuses every fake, and one fake alone is told to change. Fakes as
    odd as the data, in their proportion, pay nothing here, and so do those that violate less. Two draws of the same
    distribution do pay a little by chance, about their standard deviation over sqrt(B).
    """
    return relu(fake.sort().values - real.sort().values).mean()


@dataclass(frozen=True)
class Hint:
    """weight * excess(violation(fake), violation(real)) / scale: a `Term` of `games.gan`, float32.

    The scale is the root mean square of the real violations, in which mean and spread count alike: the price is the same
    in whatever unit a violation is told, and one weight suits all hints. It is `FLOOR` at least, so that data that obey
    exactly (scale 0) ask for obedience 1 / FLOOR times as strongly as for one unit, and no more. Quantiles are those of
    the images at hand: each process and each part of an accumulated batch compares its own.
    """

    name: str
    violation: Violation
    weight: float = 1.0

    def __call__(self, generator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """What the generator pays for `fake` beside `real`, both `[B, C, H, W]`: a scalar. Real data get no gradient."""
        with torch.autocast(fake.device.type, enabled=False):
            with torch.no_grad():
                allowed = self._of(real)
            scale = allowed.square().mean().sqrt().clamp_min(FLOOR)
            return self.weight * excess(self._of(fake), allowed) / scale

    def _of(self, x: Tensor) -> Tensor:
        told = self.violation(x.to(torch.promote_types(x.dtype, torch.float32)))
        if told.shape != x.shape[:1]:
            raise SparringError(
                f"the hint '{self.name}' must tell one number an image, {list(x.shape[:1])}, not {list(told.shape)}"
            )
        return told


def mirror(x: Tensor) -> Tensor:
    """Mean absolute difference between an image and its mirror image, left to right."""
    return _mean((x - x.flip(3)).abs())


def tileable(x: Tensor) -> Tensor:
    """By how much images jump more at the seams of a tiling than between neighbours inside, on average of both directions.

    The jumps inside are what seams are measured by, and get no gradient: else roughening would pay like mending.
    """
    return (_seam(x, 2) + _seam(x, 3)) / 2


def smooth(x: Tensor) -> Tensor:
    """Total variation (Rudin, Osher, Fatemi 1992, anisotropic): neighbours' mean absolute difference, both directions' mean."""
    return (_mean(x.diff(dim=2).abs()) + _mean(x.diff(dim=3).abs())) / 2


def palette(colours: Sequence[str]) -> Violation:
    """The mean distance of pixels to the nearest of `colours` (like "ff0000"), by the mean absolute difference of channels.

    Of one or two channels the first is held against the colours' luminance; of four or more the first three count. The
    minimum is hard: a pixel is drawn to its nearest colour alone. Raises UsageError where a colour is none.
    """
    if not colours:
        raise UsageError("a palette needs colours: palette:ff0000,00ff00,ffffff")
    if odd := [colour for colour in colours if not re.fullmatch(r"#?[0-9a-fA-F]{6}", colour)]:
        raise UsageError(
            f"'{odd[0]}' is no colour: six hexadecimal digits, ff0000 for red; palette:ff0000,00ff00,ffffff"
        )
    bytes_ = torch.tensor([list(bytes.fromhex(colour.removeprefix("#"))) for colour in colours])
    grey = (bytes_ * torch.tensor([299, 587, 114])).sum(1, keepdim=True).add(500) // 1000  # whole, as 8-bit images are

    def distance(x: Tensor) -> Tensor:
        x = x[:, :3] if x.shape[1] >= 3 else x[:, :1]
        wanted = (bytes_ if x.shape[1] == 3 else grey).to(x) / 127.5 - 1
        with torch.no_grad():  # which is nearest: a constant almost everywhere (argmin takes ten times as long as min)
            choice = torch.stack([(x - c[:, None, None]).abs().mean(1) for c in wanted]).min(0).indices
        return _mean((x - embedding(choice, wanted).permute(0, 3, 1, 2)).abs())

    return distance


HINTS: dict[str, Violation] = {"mirror": mirror, "tileable": tileable, "smooth": smooth}
"""Name -> violation. One's own is put in under a name: `sparring.HINTS["round"] = my_violation`, before a resume too."""


def hint_term(text: str, weight: float) -> tuple[str, Hint]:
    """What "mirror", "mirror*3" or "palette:ff0000,ffffff*2" asks for: its name, "hint_mirror", and its term.

    A number after `*` multiplies the weight. Raises UsageError where the text cannot be understood.
    """
    what, star, times = (part.strip() for part in text.partition("*"))
    name, colon, colours = (part.strip() for part in what.partition(":"))
    if name == "palette":
        violation = palette([colour.strip() for colour in colours.split(",")] if colours else [])
    elif name not in HINTS:
        raise UsageError(
            f"unknown hint '{name}' ({did_you_mean(name, [*HINTS, 'palette'])}): one of your own must be put into "
            "sparring.HINTS first, before a resume too"
        )
    elif colon:
        raise UsageError(f"'{text}': the hint '{name}' takes nothing after a colon")
    else:
        violation = HINTS[name]
    return f"hint_{name}", Hint(name, violation, weight * (_factor(times, text) if star else 1.0))


def terms_of(hints: str, weight: float) -> dict[str, Hint]:
    """The terms of "mirror+smooth*2", by the name they have in metrics.jsonl; raises UsageError where one comes twice."""
    terms: dict[str, Hint] = {}
    for text in hints.split("+") if hints.strip() else ():
        name, term = hint_term(text, weight)
        if name in terms:
            raise UsageError(f"the hint '{term.name}' is given twice: once, with a larger weight, is {term.name}*2")
        terms[name] = term
    return terms


def _factor(word: str, text: str) -> float:
    try:
        factor = float(word)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise UsageError(f"'{text}': after * comes a number above 0, not '{word}'")
    return factor


def _seam(x: Tensor, dim: int) -> Tensor:
    """What the jump from the last to the first exceeds the mean jump to the next by; 0 of a side of one pixel."""
    seam = x.narrow(dim, 0, 1) - x.narrow(dim, -1, 1)
    return relu(_mean(seam.abs()) - _mean(x.detach().diff(dim=dim).abs()))


def _mean(x: Tensor) -> Tensor:
    """Over all but the first dimension; 0 of nothing."""
    return x.sum((1, 2, 3)) / max(x.shape[1:].numel(), 1)
