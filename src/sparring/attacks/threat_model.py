"""The threat model: the set of inputs an attacker may reach. One type for images, waveforms, series and tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from sparring.attacks.feasible_set import FeasibleSet
from sparring.attacks.norms import NORMS, Norm, length, unsqueeze_like
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.engine.errors import UsageError, did_you_mean


@dataclass(frozen=True, eq=False)
class Threat:
    """All x' with |x' - x| <= eps inside the box that differ from x only where the mask and the columns allow it.

    x is float32 or float64 `[B, ...]` in the units of the box: images `[B, C, H, W]`, waveforms `[B, 1, T]`, series
    `[B, C, T]`, tables `[B, F]`. Normalisation belongs inside the model.
    """

    norm: Norm
    """Norm of the perturbation: Linf, L2, L1, or L0 (the number of changed entries)."""
    eps: float | Tensor
    """Radius in the units of the data; or one radius per row, `[B]`."""
    low: float | Tensor = 0.0
    """Lowest allowed value, or a tensor that broadcasts against x (`[F]`: one bound per column)."""
    high: float | Tensor = 1.0
    """Highest allowed value, or a tensor that broadcasts against x."""
    mask: Tensor | None = None
    """Tensor that broadcasts against x; entries where it is 0 never change."""
    columns: TabularConstraints = field(default_factory=TabularConstraints)
    """Constraints on the columns of a table."""

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

    def around(self, x: Tensor, *, ball: bool = True) -> FeasibleSet:
        """Return the feasible set around each row of `x`, bounds computed once; `ball=False` leaves out the ball."""
        eps = torch.as_tensor(self.eps, dtype=x.dtype, device=x.device)
        if eps.dim() and len(eps) not in (1, len(x)):
            raise UsageError(f"eps has {len(eps)} rows, and x has {len(x)}: give one number, or one for each row")
        eps = eps.expand(len(x)).clone() if ball else torch.full_like(x.flatten(1)[:, 0], torch.inf)
        low, high = (_expand(value, x, name) for name, value in (("low", self.low), ("high", self.high)))
        if self.norm == "Linf":
            reach = unsqueeze_like(eps, x)
            low, high = torch.maximum(low, x - reach), torch.minimum(high, x + reach)
        low, high = torch.minimum(low, x), torch.maximum(high, x)  # x itself is always allowed, whatever its rounding
        if self.mask is not None:
            fixed = _expand(self.mask, x, "mask") == 0
            low, high = torch.where(fixed, x, low), torch.where(fixed, x, high)
        if self.columns.named:
            self.columns.check(x)
            low, high = low.clone(), high.clone()
            self.columns.narrow(x, low, high)
        return FeasibleSet(self.norm, x, eps, low, high, self.columns)

    def rows(self, idx: Tensor, x: Tensor) -> Threat:
        """Return the threat model of the rows `idx` of `x`: bounds, mask and eps that are given per row are indexed."""

        def select(value: float | Tensor | None, dim: int) -> Any:
            per_row = isinstance(value, Tensor) and value.dim() == dim and len(value) == len(x)
            return value[idx.to(value.device)] if isinstance(value, Tensor) and per_row else value

        bounds = {name: select(getattr(self, name), x.dim()) for name in ("low", "high", "mask")}
        return replace(self, eps=select(self.eps, 1), **bounds)

    def project(self, adv: Tensor, x: Tensor) -> Tensor:
        """Project `adv` `[B, ...]` into ball, box, mask and columns around `x` `[B, ...]`.

        Returns the nearest such point in L2; where columns are discrete, a near one.
        """
        return self.around(x).project(adv)

    def start(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw an allowed point around each row of `x`, `[B, ...]`.

        By `FeasibleSet.random_point`. `generator` is on the CPU.
        """
        region = self.around(x)
        return region.round_discrete(region.random_point(generator))

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the unit-norm direction in which a loss with `gradient` `[B, ...]` grows fastest, ignoring the box."""
        zero, inf = torch.zeros_like(gradient), torch.full_like(gradient, torch.inf)
        return FeasibleSet(self.norm, zero, zero.new_zeros(len(zero)), -inf, inf, TabularConstraints()).steepest(
            gradient, zero
        )

    def distance(self, adv: Tensor, x: Tensor) -> Tensor:
        """Return the norm of each row's change, `[B]`."""
        return length(self.norm, adv - x)

    def allows(self, adv: Tensor, x: Tensor) -> Tensor:
        """Return whether each row of `adv` is allowed around `x`, up to rounding; bool `[B]`."""
        region = self.around(x)
        rounding = 4 * torch.finfo(x.dtype).eps * torch.maximum(x.abs(), adv.abs())
        slack = 0 if self.norm == "L0" else length(self.norm, rounding) + 1e-5 * region.eps
        near = self.distance(adv, x) <= region.eps + slack
        edge = rounding + 1e-6 * (region.high - region.low)
        inside = ((adv >= region.low - edge) & (adv <= region.high + edge)).flatten(1).all(1)
        fixed = ((region.low != region.high) | (adv == x)).flatten(1).all(1)
        return near & inside & fixed & self.columns.met(adv, x) if self.columns.named else near & inside & fixed

    def check(self, x: Tensor) -> None:
        """Raise UsageError where `x` lies outside the box or eps exceeds the size of the box."""
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
        """Return the largest distance between two points of the box, by the norm; x is `[B, ...]`."""
        low, high = (torch.as_tensor(value, device=x.device) for value in (self.low, self.high))
        return float(length(self.norm, (high - low).to(x).expand_as(x)).max())


def _outside(x: Tensor, low: float, high: float) -> str:
    x_min, x_max = float(x.min()), float(x.max())
    message = f"x has values from {x_min:.4g} to {x_max:.4g}, outside the box from {low:g} to {high:g}: "
    if x_min >= 0 and 1 < x_max <= 255 and high == 1:
        return message + "divide it by 255"
    if x_min >= -1 - 1e-5 and x_max <= 1 + 1e-5:
        return message + "use Threat(..., low=-1, high=1)"
    return message + (
        "it looks normalised. Attack unnormalised data and put the normalisation into the model, as in "
        "lambda x: net((x - mean) / std); or give the box with Threat(..., low=, high=)"
    )


def _expand(value: float | Tensor, x: Tensor, name: str) -> Tensor:
    value = torch.as_tensor(value, device=x.device).to(x.dtype)
    try:
        return value.expand_as(x)
    except RuntimeError as error:
        raise UsageError(f"{name} {list(value.shape)} does not broadcast against x {list(x.shape)}") from error


def _first(values: Tensor, wrong: Tensor) -> float:
    return float(values.reshape(-1)[wrong.reshape(-1)][0])
