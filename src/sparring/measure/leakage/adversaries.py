"""Fresh adversaries: five families of classifiers that predict a group from features.

Each fits on rows `[N, d]`, standardised by `prepare`, and gives groups equal weight. The score of a group estimates its
log-probability at equal group sizes. So the largest score of a row is the answer of the best balanced accuracy.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sparring.engine.device import Hardware
from sparring.measure.scores.knn import nearest_neighbours
from sparring.stats.columns import most_different

Array = NDArray[np.float32]
Groups = NDArray[np.int64]
Scores = Callable[[Array], NDArray[np.float64]]
"""Rows `[B, d]` -> scores `[B, K]`."""
Fit = Callable[[Array, Groups, int], Scores]
"""Rows `[N, d]`, their groups `[N]` from 0 to K - 1 and a seed -> the scores of new rows."""

WIDTH, SEEDS = 128, 3
"""Width of both hidden layers of the network, and number of networks that answer together."""
MAX_EPOCHS, PATIENCE, BATCH, LR, DECAY = 80, 8, 128, 2e-3, 1e-4
MAX_EPOCHS_OF_EXAMPLES = 40
"""Epochs of a network that reads whole examples, at most."""
HELD_OUT = 0.15
"""Proportion of the rows by which the training of a network is stopped."""
CHUNK_ROWS = 1000
FLOAT32 = Hardware(torch.device("cpu"), bf16=False)
TREES, MAX_TREE_COLUMNS = 100, 256
"""Rounds of boosting, and columns at most that trees are grown on: those that differ most among the groups."""
NEIGHBOURS = (5, 20, 80)
RANDOM_FEATURES, RIDGE = 1000, 1e-3
BANDWIDTHS = (0.5, 1.0, 2.0)
"""Multiples of the median distance of two rows."""
PENALTIES = (1e-4, 1e-2)
"""Weights of the squared norm in the loss of the logistic regression."""


@dataclass(frozen=True)
class Adversary:
    """One family with its settings to choose from."""

    settings: Mapping[str, Fit]
    """Description of a setting -> how to fit with it."""
    standardised: bool = True
    """Whether its input is standardised by `prepare`; else it is the rows as they are."""

    def scaling(self, x: Array) -> Callable[[Array], Array]:
        """Return the map of rows to its input, fitted on the rows `x`."""
        return prepare(x) if self.standardised else lambda rows: rows


def prepare(x: Array) -> Callable[[Array], Array]:
    """Return the standardisation by the rows `x`: constant columns are left out, outliers are cut at 10 deviations."""
    mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    columns = np.flatnonzero(deviation > 1e-9 * (np.abs(mean) + 1e-30))
    mean, deviation = mean[columns], deviation[columns]
    if not len(columns):
        return lambda rows: np.zeros((len(rows), 1), np.float32)
    return lambda rows: np.clip((rows[:, columns] - mean) / deviation, -10, 10).astype(np.float32)


def group_weights(groups: Groups) -> NDArray[np.float64]:
    """Return the weight of each row, `[N]`, which gives all groups equal weight; the mean is 1."""
    counts = np.bincount(groups)
    weights: NDArray[np.float64] = len(groups) / (np.count_nonzero(counts) * counts[groups])
    return weights


def logistic(penalty: float, *, weighted: bool = True) -> Fit:
    """Return the multinomial logistic regression with a squared penalty, fitted by L-BFGS in float64."""

    def fit(x: Array, groups: Groups, seed: int) -> Scores:
        rows, y = torch.from_numpy(x).double(), torch.from_numpy(groups)
        weights = torch.from_numpy(group_weights(groups)) if weighted else torch.ones(len(x), dtype=torch.float64)
        layer = nn.Linear(x.shape[1], int(groups.max()) + 1, dtype=torch.float64)
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
        optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            mean = (weights * cross_entropy(layer(rows), y, reduction="none")).mean()
            value: Tensor = mean + penalty / 2 * layer.weight.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        return _scores_of([layer], torch.float64)

    return fit


def network(seeds: int = SEEDS) -> Fit:
    """Return `seeds` networks of two hidden layers, each stopped where its loss on held-out rows is least."""

    def fit(x: Array, groups: Groups, seed: int) -> Scores:
        return _scores_of([_network(x, groups, mixed) for mixed in range(seed, seed + seeds)], torch.float32)

    return fit


def _network(x: Array, groups: Groups, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return _stopped_early(_layers(x.shape[1], int(groups.max()) + 1, generator), x, groups, generator)


def network_of(build: Callable[[int], nn.Module], shape: Sequence[int]) -> Fit:
    """Return one network that `build` makes for a number of groups, on rows of this shape, trained as `network` is.

    It is trained in bf16 where the machine computes in it, and scores in float32.
    """

    def fit(x: Array, groups: Groups, seed: int) -> Scores:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hardware = Hardware.find("cpu")
            net = hardware.to_device(nn.Sequential(nn.Unflatten(1, tuple(shape)), build(int(groups.max()) + 1)))
            generator = torch.Generator().manual_seed(seed)
            return _scores_of(
                [_stopped_early(net, x, groups, generator, MAX_EPOCHS_OF_EXAMPLES, hardware).eval()], torch.float32
            )

    return fit


def _stopped_early(
    net: nn.Module,
    x: Array,
    groups: Groups,
    generator: torch.Generator,
    max_epochs: int = MAX_EPOCHS,
    hardware: Hardware = FLOAT32,
) -> nn.Module:
    """Return the network as it was in the epoch of the least loss on held-out rows."""
    rows, y, weights = torch.from_numpy(x), torch.from_numpy(groups), torch.from_numpy(group_weights(groups)).float()
    order = torch.randperm(len(x), generator=generator)
    held_out, learnt = order.tensor_split([max(int(HELD_OUT * len(x)), 1)])
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=DECAY)
    best, state, waited = math.inf, copy.deepcopy(net.state_dict()), 0
    for _ in range(max_epochs):
        net.train()
        for idx in learnt[torch.randperm(len(learnt), generator=generator)].split(BATCH):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            with hardware.autocast():
                loss = _mean_loss(net, rows, y, weights, idx)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        net.eval()
        with torch.no_grad(), hardware.autocast():
            held_out_loss = float(_mean_loss(net, rows, y, weights, held_out))
        waited += 1
        if held_out_loss < best:
            best, state, waited = held_out_loss, copy.deepcopy(net.state_dict()), 0
        if waited > PATIENCE:
            break
    net.load_state_dict(state)
    return net


def _mean_loss(net: nn.Module, rows: Tensor, y: Tensor, weights: Tensor, idx: Tensor) -> Tensor:
    return (weights[idx] * cross_entropy(net(rows[idx]).float(), y[idx], reduction="none")).mean()


def _layers(width: int, count: int, generator: torch.Generator) -> nn.Module:
    sizes = (width, WIDTH, WIDTH, count)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            layer.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def boosting(leaves: int, *, weighted: bool = True) -> Fit:
    """Return gradient-boosted trees; needs scikit-learn."""

    def fit(x: Array, groups: Groups, seed: int) -> Scores:
        from sklearn.ensemble import HistGradientBoostingClassifier

        columns = most_different(x, groups, MAX_TREE_COLUMNS)
        trees = HistGradientBoostingClassifier(
            max_iter=TREES, max_leaf_nodes=leaves, max_bins=64, early_stopping=False, random_state=seed
        ).fit(x[:, columns], groups, group_weights(groups) if weighted else None)
        return lambda rows: np.log(np.clip(trees.predict_proba(rows[:, columns]), 1e-9, 1))

    return fit


def neighbours(k: int) -> Fit:
    """Return the k nearest neighbours: how many are of each group, by its size."""

    def fit(x: Array, groups: Groups, seed: int) -> Scores:
        base, one_hot = torch.from_numpy(x), np.eye(int(groups.max()) + 1)[groups]
        sizes, near = one_hot.sum(0), min(k, len(x))

        def score(rows: Array) -> NDArray[np.float64]:
            idx = nearest_neighbours(torch.from_numpy(rows), base, near)[1].numpy()
            votes = (one_hot[idx].sum(1) + 0.5) / (sizes + 0.5 * len(sizes))
            return np.asarray(np.log(votes / votes.sum(1, keepdims=True)))

        return score

    return fit


def random_features(bandwidth: float) -> Fit:
    """Return ridge regression on random Fourier features of a Gaussian kernel (Rahimi and Recht 2007)."""

    def fit(x: Array, groups: Groups, seed: int) -> Scores:
        rng = np.random.default_rng(seed)
        pairs = rng.integers(0, len(x), (2, 1000))
        scale = bandwidth * float(np.median(np.linalg.norm(x[pairs[0]] - x[pairs[1]], axis=1))) or 1.0
        w = rng.normal(0, 1 / scale, (x.shape[1], RANDOM_FEATURES)).astype(np.float32)
        shift = rng.uniform(0, 2 * math.pi, RANDOM_FEATURES).astype(np.float32)

        def features(rows: Array) -> NDArray[np.float64]:
            waves = np.cos(rows @ w + shift) * math.sqrt(2 / RANDOM_FEATURES)
            return np.concatenate([waves, np.ones((len(rows), 1), np.float32)], 1).astype(np.float64)

        z, weights = features(x), group_weights(groups)[:, None]
        targets = np.eye(int(groups.max()) + 1)[groups]
        gram = (z * weights).T @ z + RIDGE * len(x) / RANDOM_FEATURES * np.eye(z.shape[1])
        solution = np.linalg.solve(gram, z.T @ (weights * targets))
        return lambda rows: np.asarray(features(rows) @ solution)

    return fit


def _scores_of(nets: Sequence[nn.Module], dtype: torch.dtype) -> Scores:
    """Return the log of the mean probability of the networks."""

    @torch.no_grad()
    def score(rows: Array) -> NDArray[np.float64]:
        chunks = torch.from_numpy(rows).to(dtype).split(CHUNK_ROWS)  # type: ignore[no-untyped-call]
        log_p = torch.stack([torch.cat([net(x) for x in chunks]).double().log_softmax(1) for net in nets])
        return np.asarray((log_p.logsumexp(0) - math.log(len(nets))).numpy())

    return score


def available() -> dict[str, Adversary]:
    """Return the families that are installed: boosting needs scikit-learn."""
    return {name: family for name, family in FAMILIES.items() if name != BOOSTING or find_spec("sklearn")}


BOOSTING = "boosted trees"
FAMILIES: dict[str, Adversary] = {
    "logistic regression": Adversary({f"penalty {c:g}": logistic(c) for c in PENALTIES}),
    "network": Adversary({"": network()}),
    BOOSTING: Adversary({f"{leaves} leaves": boosting(leaves) for leaves in (8, 32)}),
    "nearest neighbours": Adversary({f"k = {k}": neighbours(k) for k in NEIGHBOURS}),
    "random features": Adversary({f"bandwidth {b:g}": random_features(b) for b in BANDWIDTHS}),
}
"""Family -> its settings."""
