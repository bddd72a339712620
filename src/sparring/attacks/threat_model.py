"""The threat model: what an attacker may do to an input. One object for images, waveforms and tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.norms import NORMS, Norm, as_rows, length
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError, did_you_mean

EPS = {"Linf": (0.3, 8 / 255), "L2": (1.5, 0.5)}
"""Norm -> the radius that is usual for images like those of MNIST, and for others (those of CIFAR-10)."""
SMALL = 28
"""Pixels a side, up to which grey images are like those of MNIST."""


@dataclass(frozen=True, eq=False)
class Threat:
    """All x' with |x' - x| <= eps that stay in the box, and change only what may change.

    x is `[B, ...]`: images `[B, C, H, W]`, waveforms `[B, 1, T]`, tables `[B, F]`, in the units of the box, float32 or
    float64. Normalisation belongs into the model.
    """

    norm: Norm
    """Linf, L2, L1, or L0 (the number of entries that change)."""
    eps: float | Tensor
    """The radius, in the units of the data; or one for each row, `[B]`."""
    low: float | Tensor = 0.0
    """The lowest value there can be; or a tensor that broadcasts against x, as `[F]`: for each column."""
    high: float | Tensor = 1.0
    """And the highest."""
    mask: Tensor | None = None
    """Broadcasts against x; where it is 0 nothing moves."""
    columns: TabularConstraints = field(default_factory=TabularConstraints)
    """Of tables: what may happen to each column."""

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UsageError(f"unknown norm '{self.norm}': {did_you_mean(str(self.norm), NORMS)}")
        eps, low, high = (torch.as_tensor(value) for value in (self.eps, self.low, self.high))
        if eps.dim() > 1:
            raise UsageError(f"eps is one number, or one for each row [B], not {list(eps.shape)}")
        if not (torch.isfinite(eps) & (eps >= 0)).all():
            raise UsageError(f"eps must be 0 or more, not {_first(eps, ~(torch.isfinite(eps) & (eps >= 0)))}")
        if self.norm == "L0" and (eps != eps.round()).any():
            raise UsageError(f"eps of L0 counts entries: a whole number, not {_first(eps, eps != eps.round())}")
        if torch.isnan(low).any() or torch.isnan(high).any() or not (low < high).all():
            raise UsageError("the box is empty: low must be below high")
        widest = float((high - low).max())
        if self.norm == "Linf" and (eps > widest * (1 + 1e-6)).any():
            raise UsageError(
                f"eps {float(eps.max()):g} is larger than the box from {float(low.min()):g} to {float(high.max()):g}: "
                "eps is in the units of the box (8/255, say, for images in [0, 1])"
            )

    @classmethod
    def decibels(
        cls, x: Tensor, db: float, *, low: float = -1.0, high: float = 1.0, mask: Tensor | None = None
    ) -> Threat:
        """Noise at most `db` decibels (-30, say) louder than each waveform of `x`, peak against peak.

        Carlini and Wagner 2018, "Audio adversarial examples", section 2: dB_x(delta) = 20 log10 max|delta| - 20 log10
        max|x|. A silent row may not change at all.
        """
        if not -1000 < db <= 0:
            raise UsageError(f"db must be 0 or less (noise as loud as the signal is 0 dB), not {db}")
        return cls("Linf", length("Linf", x) * 10 ** (db / 20), low, high, mask)

    def around(self, x: Tensor, *, ball: bool = True) -> FeasibleSet:
        """The region that is allowed around each row of `x`, with all bounds worked out once; or that without its ball."""
        eps = torch.as_tensor(self.eps, dtype=x.dtype, device=x.device)
        if eps.dim() and len(eps) not in (1, len(x)):
            raise UsageError(f"eps has {len(eps)} rows, and x has {len(x)}: give one number, or one for each row")
        eps = eps.expand(len(x)).clone() if ball else torch.full_like(x.flatten(1)[:, 0], torch.inf)
        low, high = (_spread(value, x, name) for name, value in (("low", self.low), ("high", self.high)))
        if self.norm == "Linf":
            reach = as_rows(eps, x)
            low, high = torch.maximum(low, x - reach), torch.minimum(high, x + reach)
        low, high = torch.minimum(low, x), torch.maximum(high, x)  # x itself is allowed, whatever its rounding
        if self.mask is not None:
            still = _spread(self.mask, x, "mask") == 0
            low, high = torch.where(still, x, low), torch.where(still, x, high)
        if self.columns.named:
            self.columns.check(x)
            low, high = low.clone(), high.clone()
            self.columns.narrow(x, low, high)
        return FeasibleSet(self.norm, x, eps, low, high, self.columns)

    def rows(self, rows: Tensor, x: Tensor) -> Threat:
        """The same threat for some rows of `x`: what it holds for each row is cut to them."""

        def cut(value: float | Tensor | None, dim: int) -> Any:
            each = isinstance(value, Tensor) and value.dim() == dim and len(value) == len(x)
            return value[rows.to(value.device)] if isinstance(value, Tensor) and each else value

        parts = {name: cut(getattr(self, name), x.dim()) for name in ("low", "high", "mask")}
        return replace(self, eps=cut(self.eps, 1), **parts)

    def project(self, adv: Tensor, x: Tensor) -> Tensor:
        """`adv` brought into ball, box, mask and columns around `x`; both `[B, ...]`.

        The nearest such point (in L2); where columns are discrete a near one.
        """
        return self.around(x).project(adv)

    def start(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A random point around each row of `x`, `[B, ...]`; see `Region.start`. `generator` is a CPU one."""
        region = self.around(x)
        return region.settle(region.start(generator))

    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of length 1 in which a loss with this `gradient` `[B, ...]` grows fastest, box or no box."""
        zero, inf = torch.zeros_like(gradient), torch.full_like(gradient, torch.inf)
        return FeasibleSet(self.norm, zero, zero.new_zeros(len(zero)), -inf, inf, TabularConstraints()).steepest(
            gradient, zero
        )

    def distance(self, adv: Tensor, x: Tensor) -> Tensor:
        """How far each row has moved, by the norm, `[B]`."""
        return length(self.norm, adv - x)

    def allows(self, adv: Tensor, x: Tensor) -> Tensor:
        """True for each row of `adv` that this threat model allows around `x`, up to rounding; bool `[B]`."""
        region = self.around(x)
        rounding = 4 * torch.finfo(x.dtype).eps * torch.maximum(x.abs(), adv.abs())
        slack = 0 if self.norm == "L0" else length(self.norm, rounding) + 1e-5 * region.eps
        near = self.distance(adv, x) <= region.eps + slack
        edge = rounding + 1e-6 * (region.high - region.low)
        inside = ((adv >= region.low - edge) & (adv <= region.high + edge)).flatten(1).all(1)
        held = ((region.low != region.high) | (adv == x)).flatten(1).all(1)
        return near & inside & held & self.columns.met(adv, x) if self.columns.named else near & inside & held

    def check(self, x: Tensor) -> None:
        """Raise UsageError, with the way out, where `x` does not lie in the box or eps is beyond it."""
        low, high = (torch.as_tensor(value, device=x.device) for value in (self.low, self.high))
        slack = 1e-5 * (high - low)
        if ((x < low - slack) | (x > high + slack)).any():
            raise UsageError(_outside(x, float(low.min()), float(high.max())))
        region, widest = self.around(x), self.widest(x)
        if (region.eps > widest * (1 + 1e-6)).any():
            raise UsageError(
                f"eps {float(region.eps.max()):g} is beyond the whole box, which is {widest:g} across in {self.norm}"
            )

    def widest(self, x: Tensor) -> float:
        """How far apart two points of the box can be, by the norm; x is `[B, ...]`."""
        low, high = (torch.as_tensor(value, device=x.device) for value in (self.low, self.high))
        return float(length(self.norm, (high - low).to(x).expand_as(x)).max())


def usual_eps(norm: str, spec: ImageSpec) -> float:
    """The radius that is usual for such images, of pixels from 0 to 1.

    Linf 0.3 and L2 1.5 were published for MNIST, whose strokes are as good as black and white: they hold for grey images of
    up to 28 pixels a side alone. All others take CIFAR-10's 8/255 and 0.5, grey photographs too: by 0.3 one can paint
    another picture over these. Raises UsageError in norms that have none.
    """
    if norm not in EPS:
        raise UsageError(f"no eps is usual in {norm}: give --eps")
    return EPS[norm][0 if is_small_grey(spec) else 1]


def is_small_grey(spec: ImageSpec) -> bool:
    """True of images like those of MNIST."""
    return spec.channels <= 2 and max(spec.height, spec.width) <= SMALL


def _outside(x: Tensor, low: float, high: float) -> str:
    least, most = float(x.min()), float(x.max())
    told = f"x has values from {least:.4g} to {most:.4g}, outside the box from {low:g} to {high:g}: "
    if least >= 0 and 1 < most <= 255 and high == 1:
        return told + "divide it by 255"
    if least >= -1 - 1e-5 and most <= 1 + 1e-5:
        return told + "take Threat(..., low=-1, high=1)"
    return told + (
        "it looks normalised. Attack data as they are and put the normalisation into the model, as in "
        "lambda x: net((x - mean) / std); or name the box with Threat(..., low=, high=)"
    )


def _spread(value: float | Tensor, x: Tensor, name: str) -> Tensor:
    value = torch.as_tensor(value, device=x.device).to(x.dtype)
    try:
        return value.expand_as(x)
    except RuntimeError as error:
        raise UsageError(f"{name} {list(value.shape)} does not broadcast against x {list(x.shape)}") from error


def _first(values: Tensor, wrong: Tensor) -> float:
    return float(values.reshape(-1)[wrong.reshape(-1)][0])
