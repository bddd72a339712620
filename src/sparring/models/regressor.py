"""A saved regressor: examples in, numbers with calibrated intervals out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import UsageError
from sparring.measure.boosting.comparison import TREES
from sparring.models.answers import Intervals
from sparring.models.capabilities import capabilities_of
from sparring.models.inputs import to_input
from sparring.models.saved import read_model, save_model
from sparring.nets.boosted_trees import BoostedTrees

CHUNK_ROWS = 250


@dataclass
class Regressor:
    """Quantiles of a network or of boosted trees, and the correction of their intervals; an `IntervalPredictor`."""

    net: nn.Module
    """Input `[B, ...]` -> quantiles of the standardised numbers, `[B, 3 K]`: lower end, median, upper end of each."""
    spec: Any
    """`DataSpec` of the data it was trained on, with mean and deviation of each number (`condition_stats`)."""
    recipe: Any
    """Recipe of the network."""
    correction: Tensor
    """Distance `[K]` that the ends move outwards (`conformal_correction`), in deviations of the numbers."""
    answered_by: str
    """`network` or `boosted trees`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of `regressor.json`: seed, data, version."""

    @torch.no_grad()
    def predict_interval(self, rows: NDArray[Any] | Tensor) -> Intervals:
        """Return median and interval of each number of the rows `[N, ...]` that `models.inputs.to_input` takes."""
        inputs = to_input(self.spec, rows)
        chunks = [quantiles_of(self.net, x) for x in torch.split(inputs, CHUNK_ROWS)] if len(inputs) else []
        quantiles = torch.cat(chunks) if chunks else torch.zeros(0, len(self.correction), 3)
        low, median, high = quantiles.unbind(2)
        low, high = low - self.correction, high + self.correction
        middle = (low + high) / 2
        low, high = torch.minimum(low, middle), torch.maximum(high, middle)  # where the correction makes them cross
        return Intervals(*(self._in_units(each) for each in (median.clamp(low, high), low, high)))

    def _in_units(self, standardised: Tensor) -> Tensor:
        mean, std = stats_of(self.spec)
        return (standardised * std + mean).float()

    def save(self, folder: str | Path) -> None:
        """Write `regressor.safetensors` and `regressor.json` into `folder`."""
        tensors = {f"net.{k}": t for k, t in self.net.state_dict().items()} | {"correction": self.correction}
        save_model(
            folder, "regressor", tensors, spec=self.spec, recipe=self.recipe, capabilities=capabilities_of(self),
            metadata={**self.metadata, "answered_by": self.answered_by},
        )  # fmt: skip


@torch.no_grad()
def quantiles_of(net: nn.Module, x: Tensor) -> Tensor:
    """Return the quantiles `[B, K, 3]` of input `[B, ...]` in ascending order, float64, on the CPU.

    Sorting never moves them away from the true quantiles (Chernozhukov et al. 2010, Proposition 4).
    """
    weight = next(net.parameters(), None)
    quantiles: Tensor = net(x if weight is None else x.to(weight.device))
    return quantiles.cpu().double().reshape(len(x), -1, 3).sort(2).values


def stats_of(spec: Any) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation `[K]` of the numbers of a spec, float64."""
    mean, std = zip(*spec.condition_stats, strict=True)
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)


def number_names(spec: Any) -> list[str]:
    """Return the names of the numbers of a label: the column of a table, or their places from 1."""
    target, count = getattr(spec, "target", ""), len(spec.condition_stats)
    return [target] if target and count == 1 else [f"number {k + 1}" if count > 1 else "number" for k in range(count)]


def load_regressor(path: str | Path, net: nn.Module | None = None) -> Regressor:
    """Return the saved regressor at `path` (a run folder, or one of its two files), in eval mode on the CPU.

    One of a custom network needs the `net` that was trained. Raises UsageError where there is none, SparringError where
    its files are damaged or do not fit.
    """
    saved = read_model(path, "regressor")
    metadata = dict(saved.metadata)
    try:
        answered_by, custom = str(metadata.pop("answered_by")), bool(metadata["custom_nets"])
        weights = {k.removeprefix("net."): t for k, t in saved.tensors.items() if k.startswith("net.")}
        correction = saved.tensors["correction"]
        if answered_by == TREES:
            net = BoostedTrees.like(weights)
        elif net is None and custom:
            raise UsageError(f"{path} was trained with a custom network: load(path, net=...) needs the regressor")
        module = net if net is not None else saved.recipe.nets(saved.spec)["regressor"]
        module.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise saved.damaged(error) from error
    module.eval().requires_grad_(False)
    return Regressor(module, saved.spec, saved.recipe, correction, answered_by, metadata)
