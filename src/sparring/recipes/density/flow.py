"""A normalising flow: Glow (Kingma and Dhariwal 2018, arXiv:1807.03039) for images, splines for the rows of tables.

Differences to the paper:

- Few wide steps instead of 32 at each level, which learn more in minutes on a CPU (docs/lab-notebook.md).
- Pixels become logits (Dinh et al. 2017, section 4.1), and the dequantisation noise is learned (Ho et al. 2019, Flow++,
  section 3.1). Uniform noise in the many black pixels of a picture costs a quarter of a bit each.
- The log scales of couplings are bounded, so that the inverse is finite.
- Odd sides are not padded: bits per dimension count the dimensions of the image.
- Tables have one autoregressive layer of rational-quadratic splines (Durkan et al. 2019) on the unit cube.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, ClassVar, Self

from torch import nn

from sparring.engine.data_spec import DataSpec, ImageSpec, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.loop import System
from sparring.games.likelihood import dequantised_loss
from sparring.nets.flow import ImageFlow, squeezes
from sparring.nets.table_flow import TableFlow
from sparring.recipes.density.base import DensityRecipe
from sparring.recipes.recipe import check_positive, check_range, tunable

DEQUANTISATIONS = ("variational", "uniform")
MAX_BINS = 500
"""Largest number of bins of a spline, which have a smallest width (`nets/spline.py`)."""
NOISE_HIDDEN = 32
"""Channels of the network of variational dequantisation."""


@dataclass(frozen=True, kw_only=True)
class FlowRecipe(DensityRecipe):
    """Flow: an invertible network with a bound of the density, fast samples, and exact codes."""

    name: ClassVar[str] = "flow"
    paper: ClassVar[str] = "Kingma and Dhariwal 2018, arXiv:1807.03039"
    kinds: ClassVar[tuple[str, ...]] = ("image", "table")

    batch_size: int = 32
    """Examples per round, over all processes."""
    lr: float = tunable(3e-3, 1e-4, 0.03, log=True)
    """Adam's initial learning rate; it falls to a hundredth along a cosine."""
    hidden: int | None = None
    """Channels or units of the hidden layers. Default: 128 for images, 256 for tables."""
    steps: int = 4
    """Steps of actnorm, 1x1 convolution and coupling at each level, for images."""
    levels: int | None = None
    """Levels, each of which halves even sides, for images. Default: as many as leave 16 pixels."""
    dequantisation: str = "variational"
    """Noise within a grey value, for images: variational (learned) or uniform."""
    alpha: float = 1e-6
    """Distance from 0 and 1 at which grey values become logits, for images."""
    binary: bool = False
    """Binary images: grey pixels are probabilities of white. Else values of 8 bits."""
    bins: int = 16
    """Bins of a spline, for tables."""

    def __post_init__(self) -> None:
        check_positive(
            self, "batch_size", "lr", "accumulation_steps", "ema_half_life", "hidden", "steps", "levels", "bins",
            "alpha",
        )  # fmt: skip
        check_range(self, 0, 0.5, "alpha")
        if self.bins > MAX_BINS:
            raise UsageError(f"--bins must be at most {MAX_BINS}, not {self.bins}")
        if self.dequantisation not in DEQUANTISATIONS:
            hint = did_you_mean(self.dequantisation, DEQUANTISATIONS)
            raise UsageError(f"unknown --dequantisation '{self.dequantisation}': {hint}")

    def resolve(self, spec: Any, hardware: Hardware) -> Self:
        """Choose the width and the number of levels; raise UsageError on settings of another kind of data."""
        return dataclasses.replace(super().resolve(spec, hardware), **resolved_settings(spec, self, hardware))

    def nets(self, spec: Any) -> dict[str, nn.Module]:
        """Return the flow."""
        return {"generator": flow_for(spec, self)}

    def system(self, spec: Any, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game of maximum likelihood, by one draw of the dequantisation noise for each example."""
        loss = dequantised_loss(binary=self.binary, conditional=self.classes(spec) > 0)
        return self.one_player(nets, spec, total, loss=loss)


@singledispatch
def resolved_settings(spec: DataSpec, recipe: FlowRecipe, hardware: Hardware) -> dict[str, Any]:
    """Return what is left to choose for a kind of data; raise UsageError on settings of another one."""
    raise NotImplementedError


@resolved_settings.register
def _(spec: ImageSpec, recipe: FlowRecipe, hardware: Hardware) -> dict[str, Any]:
    _refuse(recipe, "tables", "bins")
    return {"hidden": recipe.hidden or 128, "levels": len(squeezes(spec.height, spec.width, recipe.levels))}


@resolved_settings.register
def _(spec: TableSpec, recipe: FlowRecipe, hardware: Hardware) -> dict[str, Any]:
    _refuse(recipe, "images", "steps", "dequantisation", "alpha", "binary")
    if recipe.levels not in (None, 1):
        raise UsageError("--levels is for images: leave it out")
    if hardware.device.type == "mps":  # whole numbers beyond 2^16 lose their noise in float32
        raise UsageError("a flow of tables needs float64, which mps does not have: add --device cpu")
    return {"hidden": recipe.hidden or 256, "levels": 1}


@singledispatch
def flow_for(spec: DataSpec, recipe: FlowRecipe) -> nn.Module:
    """Return the network of a resolved recipe for a kind of data."""
    raise NotImplementedError


@flow_for.register
def _(spec: ImageSpec, recipe: FlowRecipe) -> nn.Module:
    assert recipe.hidden
    return ImageFlow(
        spec.shape, levels=recipe.levels, steps=recipe.steps, hidden=recipe.hidden, classes=recipe.classes(spec),
        values=2 if recipe.binary else 256, alpha=recipe.alpha,
        noise_hidden=NOISE_HIDDEN if recipe.dequantisation == "variational" else 0,
    )  # fmt: skip


@flow_for.register
def _(spec: TableSpec, recipe: FlowRecipe) -> nn.Module:
    assert recipe.hidden
    return TableFlow(spec.columns, hidden=recipe.hidden, bins=recipe.bins, classes=recipe.classes(spec))


def _refuse(recipe: FlowRecipe, kind: str, *names: str) -> None:
    """Raise UsageError where a setting that is for another kind of data differs from its default."""
    defaults = {field.name: field.default for field in dataclasses.fields(recipe)}
    for name in names:
        if getattr(recipe, name) != defaults[name]:
            raise UsageError(f"--{name} is for {kind}: leave it out")
