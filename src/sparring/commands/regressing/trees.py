"""Grow boosted trees beside the network of a table, and choose between them by validation rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.commands.regressing.parts import Parts
from sparring.commands.reporting.progress import Progress
from sparring.data.dataset import Dataset
from sparring.games.quantiles import pinball_losses
from sparring.measure.boosting.comparison import NETWORK, TREES, TreeComparison, mean_interval
from sparring.measure.boosting.grow import boosted_quantiles, can_boost, has_trees, rows_to_boost
from sparring.models.classifier import chunks_of
from sparring.models.regressor import quantiles_of, stats_of
from sparring.nets.boosted_trees import BoostedTrees
from sparring.recipes.supervised.quantiles import QuantileRecipe

LOSS = "pinball loss"


def grow_trees(
    data: Dataset, parts: Parts, recipe: QuantileRecipe, seed: int, progress: Progress
) -> BoostedTrees | None:
    """Return boosted trees of the examples that the network learnt from; None without scikit-learn, or of no table."""
    if not has_trees(data.spec) or not can_boost() or not getattr(recipe, "trees", True):
        return None
    progress.info("growing boosted trees ...")
    idx = rows_to_boost(parts.learning)
    x = torch.cat([data.spec.encode(data[chunk]) for chunk in chunks_of(idx)])
    return boosted_quantiles(x.numpy(), standardised(data, idx).numpy(), recipe.levels, seed)


def compared(
    net: nn.Module, trees: BoostedTrees, data: Dataset, parts: Parts, recipe: QuantileRecipe, *, replaces: bool
) -> TreeComparison:
    """Return which of network and trees has the lower loss on the validation examples, and both on the test examples.

    The network is the winner where the trees are not to replace it.
    """
    validation = [losses_of(each, data, parts.validation, recipe) for each in (net, trees)]
    difference = mean_interval(validation[0] - validation[1])
    winner = TREES if difference.value > 0 and replaces else NETWORK
    comparison = TreeComparison(LOSS, winner, len(parts.validation), difference)
    test = parts.test
    network, boosted = (losses_of(each, test, np.arange(len(test)), recipe) for each in (net, trees))
    return replace(
        comparison, tested_on=f"{len(test):,} test {data.report.unit}", network=float(network.mean()),
        trees=float(boosted.mean()), difference=mean_interval(network - boosted),
    )  # fmt: skip


def losses_of(net: nn.Module, data: Dataset, idx: NDArray[np.int64], recipe: QuantileRecipe) -> Tensor:
    """Return the pinball loss of each of the examples `idx`, in deviations of the numbers."""
    levels = torch.tensor(recipe.levels, dtype=torch.float64)
    chunks = [
        pinball_losses(quantiles_of(net, data.spec.encode(data[chunk])), standardised(data, chunk), levels)
        for chunk in chunks_of(idx)
    ]
    return torch.cat(chunks)


def standardised(data: Dataset, idx: NDArray[np.int64]) -> Tensor:
    """Return the numbers `[N, K]` of the examples `idx` in deviations from their mean, float64."""
    mean, std = stats_of(data.spec)
    return (torch.from_numpy(data.conditions(idx)).double() - mean) / std
