"""Ensembles of regression trees as plain tensors: no pickle is needed to save them, and none to load them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

TREES = "trees."
"""Prefix of the tensors of the trees of a `BoostedClassifier`."""


@dataclass(frozen=True)
class Tree:
    """Nodes of one regression tree `[N]`; node 0 is the root, and a leaf has itself as both children."""

    feature: Tensor
    """Column that a node looks at, int64."""
    threshold: Tensor
    """Largest value that goes to the left, float64."""
    left: Tensor
    """Node of values up to the threshold, int64."""
    right: Tensor
    """Node of larger values, int64."""
    missing_left: Tensor
    """True where NaN goes to the left."""
    value: Tensor
    """Value of a leaf, float64."""


class BoostedTrees(nn.Module):
    """Rows `[B, F]` -> scores `[B, K]`, float64: `baseline` `[K]` and the sums of the trees of each score.

    Tree t adds to score `outputs[t]`. Values are added in the order of the trees, so that the sums are those of the
    library that grew them, bit for bit. The tensors stay on the CPU.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    missing_left: Tensor
    value: Tensor
    outputs: Tensor
    baseline: Tensor

    def __init__(self, trees: int, nodes: int, scores: int) -> None:
        super().__init__()
        index = torch.arange(nodes).repeat(trees, 1)
        self.register_buffer("feature", torch.zeros_like(index))
        self.register_buffer("left", index.clone())
        self.register_buffer("right", index.clone())
        self.register_buffer("missing_left", torch.zeros(trees, nodes, dtype=torch.bool))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("outputs", torch.zeros(trees, dtype=torch.int64))
        self.register_buffer("baseline", torch.zeros(scores, dtype=torch.float64))

    @classmethod
    def of(cls, trees: Sequence[Tree], outputs: Sequence[int], baseline: Sequence[float]) -> Self:
        """Return the ensemble of these trees; `outputs` are the numbers of the scores that they add to."""
        module = cls(len(trees), max((len(tree.value) for tree in trees), default=1), len(baseline))
        for t, tree in enumerate(trees):
            for name, values in vars(tree).items():
                getattr(module, name)[t, : len(values)] = values
        module.outputs.copy_(torch.tensor(outputs, dtype=torch.int64))
        module.baseline.copy_(torch.tensor(baseline, dtype=torch.float64))
        return module

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor], prefix: str = "") -> Self:
        """Return an empty ensemble of the size of saved `tensors`, into which these can be loaded."""
        trees, nodes = tensors[f"{prefix}value"].shape
        return cls(trees, nodes, len(tensors[f"{prefix}baseline"]))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Map rows `[B, F]` to scores `[B, K]`, float64, on the CPU."""
        rows = x.detach().flatten(1).cpu().double()
        node = torch.zeros(len(self.value), len(rows), dtype=torch.int64)
        while True:
            cells = rows.T.gather(0, self.feature.gather(1, node))
            to_left = torch.where(
                cells.isnan(), self.missing_left.gather(1, node), cells <= self.threshold.gather(1, node)
            )
            reached = torch.where(to_left, self.left.gather(1, node), self.right.gather(1, node))
            if torch.equal(reached, node):
                break
            node = reached
        scores = self.baseline[:, None].repeat(1, len(rows))
        for output, values in zip(self.outputs.tolist(), self.value.gather(1, node), strict=True):
            scores[output] += values
        return scores.T

    def _apply(self, fn: object, recurse: bool = True) -> Self:
        """Stay on the CPU in float64, whatever the rest of a model is moved to: thresholds need all their digits."""
        return self


class BoostedClassifier(nn.Module):
    """A classifier whose logits are those of boosted trees; the features of `network` tell what is familiar.

    `features` are those of the network and then the scores of the trees, of which `head` takes the last.
    """

    def __init__(self, network: nn.Module, trees: BoostedTrees) -> None:
        super().__init__()
        self.network, self.trees = network, trees
        self.head = LastColumns(len(trees.baseline))

    def features(self, x: Tensor) -> Tensor:
        """Map rows `[B, F]` to features `[B, features + classes]`, float32."""
        network: Tensor = self.network.features(x)  # type: ignore[operator]
        return torch.cat([network.float(), self.trees(x).float().to(network.device)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `[B, F]` to logits `[B, classes]`, float32."""
        logits: Tensor = self.head(self.features(x))
        return logits


class LastColumns(nn.Module):
    """Map features `[B, F]` to the last `count` of them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, h: Tensor) -> Tensor:
        """Return the last columns `[B, count]`."""
        return h[:, -self.count :]
