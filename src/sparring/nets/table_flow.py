"""A coupling flow for the rows of a table: marginal distributions, then splines that couple the columns on (0, 1).

Its latent space is the unit cube, so that noise of whole numbers and categories, which is uniform, costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, one_hot, relu
from torch.special import ndtr, ndtri

from sparring.engine import dist
from sparring.engine.data_spec import Column
from sparring.engine.errors import UsageError
from sparring.nets.dequantisation import DequantisedFlow
from sparring.nets.flow_diagnostics import round_trips
from sparring.nets.flow_layers import Mapped
from sparring.nets.spline import parameter_count, spline

KNOTS = 65
"""Quantiles that describe the marginal distribution of a column."""
MIN_GAP = 1e-6
"""Smallest distance of quantiles, as a fraction of the range of a column: repeated numbers have a finite density."""
START_ROUNDS = 64
"""Rounds of a training whose quantiles are averaged."""
TAIL = 1e-3
"""Probability beyond the first and beyond the last quantile."""
EPS = 1e-6
"""Distance of uniform numbers from 0 and 1."""
ROUND_TRIP_TOLERANCE = 1e-2
"""Error on (0, 1) beyond which a row did not come back."""
FREQUENCIES = 8
"""Cosines of a uniform number that the networks see."""


class Columns(nn.Module):
    """The columns of a table as numbers that a flow can model, float64 `[B, V]`: one for each of V columns.

    Category k becomes k + u and a whole number k becomes k - 1/2 + u, with u in (0, 1). Others stay as they are, and
    the model gives them a density. A column with one value is left out.
    """

    offsets: Tensor
    noisy: Tensor

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.width = sum(len(column.indices) for column in columns)
        self.varying = [column for column in columns if not column.is_constant]
        self.constant = [column for column in columns if column.is_constant]
        if not self.varying:
            raise UsageError("every column of the table has one value only: there is nothing to learn")
        offsets = [0.0 if column.categories or not column.is_integer else -0.5 for column in self.varying]
        noisy = [float(bool(column.categories) or column.is_integer) for column in self.varying]
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.float64), persistent=False)
        self.register_buffer("noisy", torch.tensor(noisy, dtype=torch.float64), persistent=False)

    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        """Map rows `[B, F]` and uniform numbers `[B, V]` to numbers `[B, V]`."""
        parts = [
            x[:, column.indices].argmax(1) if column.categories else x[:, column.indices[0]] for column in self.varying
        ]
        return torch.stack([part.double() for part in parts], 1) + self.offsets + self.noisy * u.double()

    def inverse(self, v: Tensor) -> Tensor:
        """Map numbers `[B, V]` to rows `[B, F]`, float32, within the range of each column."""
        x = v.new_zeros(len(v), self.width)
        for column in self.constant:
            x[:, column.indices[0]] = 1.0 if column.categories else column.low
        for k, column in enumerate(self.varying):
            if column.categories:
                category = v[:, k].floor().long().clamp(0, len(column.indices) - 1)
                x[:, list(column.indices)] = one_hot(category, len(column.indices)).to(x.dtype)
            else:
                value = v[:, k].round() if column.is_integer else v[:, k]
                x[:, column.indices[0]] = value.clamp(column.low, column.high)
        return x.float() + 0.0  # no negative zeros

    def possible(self, x: Tensor) -> Tensor:
        """Return which rows `[B, F]` have the one value of each column that has only one, bool `[B]`."""
        values = [(column.indices[0], 1.0 if column.categories else column.low) for column in self.constant]
        same = [x[:, k] == value for k, value in values]
        return torch.stack([torch.ones_like(x[:, 0], dtype=torch.bool), *same]).all(0)

    def limits(self) -> tuple[Tensor, Tensor]:
        """Return the smallest and largest number of each column, float64 `[V]`."""
        low = [0.0 if column.categories else column.low for column in self.varying]
        high = [len(column.categories) - 1.0 if column.categories else column.high for column in self.varying]
        lows, highs = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
        return lows + self.offsets, highs + self.offsets + self.noisy


class Marginals(nn.Module):
    """The distribution function of each column: linear between quantiles, exponential beyond the first and the last.

    `start` takes the quantiles of rows. It standardises columns of any scale and shape.
    """

    knots: Tensor
    gaps: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        super().__init__()
        levels = torch.linspace(0, 1, KNOTS, dtype=torch.float64)
        self.register_buffer("knots", low[:, None] + (high - low)[:, None] * levels)
        steps = torch.arange(KNOTS, dtype=torch.float64)
        self.register_buffer("gaps", steps * (high - low)[:, None] * MIN_GAP, persistent=False)

    @torch.no_grad()
    def start(self, v: Tensor, earlier: int = 0) -> None:
        """Take the quantiles of `v` `[B, V]`, float64, averaged over the processes and `earlier` batches.

        The first and last are the smallest and largest number of all these batches.
        """
        levels = torch.linspace(0, 1, KNOTS, dtype=torch.float64, device=v.device)
        quantiles = torch.quantile(v, levels, 0).t().contiguous()
        dist.average_([quantiles])
        mean = torch.lerp(self.knots, quantiles, 1 / (earlier + 1))
        if earlier:
            mean[:, 0] = torch.minimum(self.knots[:, 0], quantiles[:, 0])
            mean[:, -1] = torch.maximum(self.knots[:, -1], quantiles[:, -1])
        self.knots.copy_((mean - self.gaps).cummax(1)[0] + self.gaps)

    def forward(self, v: Tensor) -> Mapped:
        """Map `v` to its distribution function `[B, V]`, in (0, 1), and the log density `[B]`."""
        index = (torch.searchsorted(self.knots, v.t().contiguous(), right=True) - 1).clamp(0, KNOTS - 2).t()
        left, right = self._at(index), self._at(index + 1)
        slope = (1 - 2 * TAIL) / (KNOTS - 1) / (right - left)
        u = TAIL + (1 - 2 * TAIL) / (KNOTS - 1) * index.to(v.dtype) + slope * (v - left)
        first, last = self.knots[:, 0], self.knots[:, -1]
        below, above = (first - v).clamp(min=0) * slope / TAIL, (v - last).clamp(min=0) * slope / TAIL
        u = torch.where(v < first, TAIL * (-below).exp(), torch.where(v > last, 1 - TAIL * (-above).exp(), u))
        return u.clamp(EPS, 1 - EPS), (slope.log() - below - above).sum(1)

    def inverse(self, u: Tensor) -> Tensor:
        """Map `u` `[B, V]` in (0, 1) to `v`, float64."""
        u = u.double().clamp(EPS, 1 - EPS)
        position = (u - TAIL) / (1 - 2 * TAIL) * (KNOTS - 1)
        index = position.floor().clamp(0, KNOTS - 2).long()
        left, width = self._at(index), self._at(index + 1) - self._at(index)
        scale = TAIL * width * (KNOTS - 1) / (1 - 2 * TAIL)
        below, above = (u / TAIL).clamp(max=1).log(), ((1 - u) / TAIL).clamp(max=1).log()
        inside = left + width * (position - index).clamp(0, 1)
        return inside + scale * (below - above)

    def _at(self, index: Tensor) -> Tensor:
        """Return the knots of these numbers, `[B, V]`."""
        return self.knots.gather(1, index.t()).t()


class MaskedLinear(nn.Linear):
    """A linear layer whose output j sees input i only where `mask` `[out, in]` is 1 (Germain et al. 2015, Eq. 4)."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(torch.int8), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, in]` to `[B, out]`."""
        return linear(x, self.weight * self.mask, self.bias)


class AutoregressiveSplines(nn.Module):
    """Splines of V numbers in (0, 1), each with parameters from the numbers before it and the label.

    Two masked hidden layers see numbers as cosines. The map is one pass, its inverse V (Papamakarios et al. 2017, MAF).
    """

    def __init__(self, count: int, hidden: int, bins: int, classes: int) -> None:
        super().__init__()
        self.count, self.classes = count, classes
        outputs = parameter_count(bins)
        inputs = torch.cat([torch.zeros(1 + classes), torch.arange(1, count + 1).repeat_interleave(FREQUENCIES)])
        units = torch.arange(hidden) % count
        columns = torch.arange(count).repeat_interleave(outputs)
        self.first = MaskedLinear(units[:, None] >= inputs)
        self.second = MaskedLinear(units[:, None] >= units)
        self.last = MaskedLinear(columns[:, None] >= units)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, u: Tensor, y: Tensor | None) -> Mapped:
        """Map `u` `[B, V]` in (0, 1) to the same, and the log-determinant `[B]`."""
        z, log_slope = spline(u, self._parameters_of(u, y))
        return z, log_slope.sum(1)

    def inverse(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Map it back, one column after the other."""
        u = torch.full_like(z, 0.5)
        for k in range(self.count):
            column, _ = spline(z[:, k], self._parameters_of(u, y)[:, k], inverse=True)
            u = torch.cat([u[:, :k], column[:, None], u[:, k + 1 :]], 1)
        return u

    def _parameters_of(self, u: Tensor, y: Tensor | None) -> Tensor:
        """Return the parameters of each spline, `[B, V, parameters]`; without `y`, of a row of no class."""
        waves = torch.arange(1, FREQUENCIES + 1, device=u.device) * math.pi
        features = [torch.ones_like(u[:, :1]), (u[:, :, None] * waves).cos().flatten(1)]
        if self.classes:
            label = u.new_zeros(len(u), self.classes) if y is None else one_hot(y, self.classes).to(u.dtype)
            features.insert(1, label)
        h = relu(self.first(torch.cat(features, 1)))
        raw: Tensor = self.last(relu(self.second(h)))
        return raw.to(u.dtype).view(len(u), self.count, -1)


class TableFlow(DequantisedFlow):
    """Standard normal noise `[B, V]` <-> rows `[B, F]` in the units of the file, with log p, for V varying columns.

    log p is log P of categories and whole numbers, and the log density of other columns.
    """

    def __init__(self, columns: Sequence[Column], *, hidden: int = 256, bins: int = 16, classes: int = 0) -> None:
        count = sum(not column.is_constant for column in columns)
        super().__init__((sum(len(column.indices) for column in columns),), (count,))
        self.columns = Columns(columns)
        self.marginals = Marginals(*self.columns.limits())
        self.splines = AutoregressiveSplines(count, hidden, bins, classes)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise to rows."""
        return self.columns.inverse(self.inverse(z, y))

    def bound(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the bound of log p(x) `[B]` by one draw of standard normal noise `[B, V]`."""
        self.check(x)
        v = self.columns(x, ndtr(noise.double()))
        if self.training and not x.is_meta and self.started < START_ROUNDS:
            self.marginals.start(v, int(self.started))
            self.started.add_(1)
        _, log_det = self.transform(v, y)
        return log_det.masked_fill(~self.columns.possible(x), -math.inf)

    def transform(self, v: Tensor, y: Tensor | None = None) -> Mapped:
        """Map numbers `[B, V]` to uniform ones and the log-determinant `[B]`."""
        u, log_density = self.marginals(v)
        dtype = next(self.parameters()).dtype
        u, log_det = u.to(dtype), log_density.to(dtype)
        u, change = self.splines(u, y)
        return u, log_det + change

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise `[B, V]` to numbers `[B, V]`, float64."""
        return self.marginals.inverse(self.splines.inverse(ndtr(z).clamp(EPS, 1 - EPS), y))

    @torch.no_grad()
    def diagnostics(self, x: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Return the proportion of rows `[B, F]` that come back, and the largest error on (0, 1)."""
        noise = torch.rand((len(x), *self.noise_shape), generator=generator, device="cpu").to(x.device)
        u, _ = self.marginals(self.columns(x, noise))
        u = u.to(next(self.parameters()).dtype)
        z, _ = self.splines(u, None)
        return round_trips(u, self.splines.inverse(z, None), z, ROUND_TRIP_TOLERANCE)

    def protocol(self) -> dict[str, object]:
        """Return what the stated likelihood depends on."""
        return {"dequantisation": "uniform", "draws": self.draws}

    def encode(self, x: Tensor) -> Tensor:
        """Return the noise `[B, V]` of rows, each discrete value at the middle of its step."""
        u = torch.full((len(x), *self.noise_shape), 0.5, device=x.device)
        noise: Tensor = ndtri(self.transform(self.columns(x, u))[0].clamp(EPS, 1 - EPS))
        return noise
