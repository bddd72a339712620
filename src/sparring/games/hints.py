"""Hints: known properties of the data as loss terms of a generator, e.g. mirror symmetry (Abu-Mostafa 1990).

A hint is a function that measures how much each image violates the property. The loss is the excess over the violations
of real data, quantile by quantile, so that the property need not hold for all of them.
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
from sparring.engine.precision import at_least_float32

Violation = Callable[[Tensor], Tensor]
"""Differentiable function from images `[B, C, H, W]` in [-1, 1] to violations `[B]`, where 0 is none.

It is best in units of pixel values, such as a mean of absolute differences, because of `MIN_SCALE`."""

MIN_SCALE = 0.05
"""Smallest scale of violations, in units of pixel values: a fortieth of their range.

Smaller violations count as none.
"""


def excess(fake: Tensor, real: Tensor) -> Tensor:
    """Return the mean of max(0, sorted fake - sorted real) of violations `[B]`, a scalar.

    This is one side of the Wasserstein-1 distance, which in one dimension pairs quantiles (Peyré, Cuturi 2019, section
    2.6). A difference of means would let images with too small violations compensate for others. A difference of maxima
    would let one real outlier excuse every fake, and would change one fake only. Fakes with the violations of the data,
    or smaller ones, have no loss. Two draws of one distribution differ by about their standard deviation / sqrt(B).
    """
    return relu(fake.sort().values - real.sort().values).mean()


@dataclass(frozen=True)
class Hint:
    """A GeneratorTerm: weight * excess(violation(fake), violation(real)) / scale, float32.

    The scale is the root mean square of the real violations, so that the loss does not depend on their unit and one
    weight suits all hints. It is at least `MIN_SCALE`, which bounds the loss where real data have no violations.
    Quantiles are those of the micro-batch at hand, on each process.
    """

    name: str
    violation: Violation
    weight: float = 1.0

    def __call__(self, generator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return the loss of `fake` relative to `real`, both `[B, C, H, W]`, a scalar without gradient to `real`."""
        with torch.autocast(fake.device.type, enabled=False):
            with torch.no_grad():
                real_violations = self._violations(real)
            scale = real_violations.square().mean().sqrt().clamp_min(MIN_SCALE)
            return self.weight * excess(self._violations(fake), real_violations) / scale

    def _violations(self, x: Tensor) -> Tensor:
        violations = self.violation(at_least_float32(x))
        if violations.shape != x.shape[:1]:
            raise SparringError(
                f"the hint '{self.name}' gives {list(violations.shape)}: it must give one number per image, "
                f"{list(x.shape[:1])}"
            )
        return violations


def mirror(x: Tensor) -> Tensor:
    """Return the mean absolute difference `[B]` between each image and its left-right mirror image."""
    return _mean((x - x.flip(3)).abs())


def tileable(x: Tensor) -> Tensor:
    """Return how much the differences at the seams of a tiling exceed those between neighbours inside, `[B]`.

    It is the mean of both directions. The differences inside get no gradient: otherwise roughening would reduce the
    loss.
    """
    return (_seam(x, 2) + _seam(x, 3)) / 2


def smooth(x: Tensor) -> Tensor:
    """Return the anisotropic total variation `[B]` per pixel, averaged over directions (Rudin, Osher, Fatemi 1992)."""
    return (_mean(x.diff(dim=2).abs()) + _mean(x.diff(dim=3).abs())) / 2


def palette(colours: Sequence[str]) -> Violation:
    """Build the mean distance of pixels to the nearest of `colours` (like "ff0000"), averaged over channels.

    With one or two channels the first is compared with the colours' luminance; with four or more the first three count.
    Each pixel is pulled to its nearest colour only. Raises UsageError on an invalid colour.
    """
    if not colours:
        raise UsageError("a palette needs colours: give them as in palette:ff0000,00ff00,ffffff")
    if invalid := [colour for colour in colours if not re.fullmatch(r"#?[0-9a-fA-F]{6}", colour)]:
        raise UsageError(
            f"'{invalid[0]}' is no colour: give six hexadecimal digits, as in palette:ff0000,00ff00,ffffff"
        )
    bytes_ = torch.tensor([list(bytes.fromhex(colour.removeprefix("#"))) for colour in colours])
    grey = (bytes_ * torch.tensor([299, 587, 114])).sum(1, keepdim=True).add(
        500
    ) // 1000  # integers, as in 8-bit images

    def distance(x: Tensor) -> Tensor:
        x = x[:, :3] if x.shape[1] >= 3 else x[:, :1]
        targets = (bytes_ if x.shape[1] == 3 else grey).to(x) / 127.5 - 1
        with torch.no_grad():  # the nearest colour is piecewise constant (argmin takes ten times as long as min)
            nearest = torch.stack([(x - c[:, None, None]).abs().mean(1) for c in targets]).min(0).indices
        return _mean((x - embedding(nearest, targets).permute(0, 3, 1, 2)).abs())

    return distance


HINTS: dict[str, Violation] = {"mirror": mirror, "tileable": tileable, "smooth": smooth}
"""Violations by name. Register a custom one by `sparring.HINTS["round"] = my_violation`, also before a resume."""


def parse_hint(text: str, weight: float) -> tuple[str, Hint]:
    """Parse "mirror", "mirror*3" or "palette:ff0000,ffffff*2"; return its metric name "hint_mirror" and its term.

    A number after `*` multiplies the weight. Raises UsageError on a syntax error or an unknown hint.
    """
    definition, star, factor = (field.strip() for field in text.partition("*"))
    name, colon, colours = (field.strip() for field in definition.partition(":"))
    if name == "palette":
        violation = palette([colour.strip() for colour in colours.split(",")] if colours else [])
    elif name not in HINTS:
        raise UsageError(
            f"unknown hint '{name}' ({did_you_mean(name, [*HINTS, 'palette'])}): register a custom one in "
            "sparring.HINTS first, also before a resume"
        )
    elif colon:
        raise UsageError(f"'{text}': the hint '{name}' takes no argument, remove the colon")
    else:
        violation = HINTS[name]
    return f"hint_{name}", Hint(name, violation, weight * (_parse_factor(factor, text) if star else 1.0))


def parse_hints(hints: str, weight: float) -> dict[str, Hint]:
    """Parse "mirror+smooth*2"; return the terms by their names in metrics.jsonl. Raises UsageError on a duplicate."""
    terms: dict[str, Hint] = {}
    for text in hints.split("+") if hints.strip() else ():
        name, term = parse_hint(text, weight)
        if name in terms:
            raise UsageError(
                f"the hint '{term.name}' is given twice: give it once, with a larger weight as in {term.name}*2"
            )
        terms[name] = term
    return terms


def _parse_factor(number: str, text: str) -> float:
    try:
        factor = float(number)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise UsageError(f"'{text}': a number above 0 must follow *, not '{number}'")
    return factor


def _seam(x: Tensor, dim: int) -> Tensor:
    """Return how much the difference of last and first exceeds that of neighbours, `[B]`; 0 for a side of one pixel."""
    seam = x.narrow(dim, 0, 1) - x.narrow(dim, -1, 1)
    return relu(_mean(seam.abs()) - _mean(x.detach().diff(dim=dim).abs()))


def _mean(x: Tensor) -> Tensor:
    """Average over all dimensions but the first; 0 if they are empty."""
    return x.sum((1, 2, 3)) / max(x.shape[1:].numel(), 1)
