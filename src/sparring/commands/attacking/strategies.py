"""Strategies to attack by name, and the fitting of those that learn: networks and boosting."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sparring.engine.errors import SparringError
from sparring.engine.seeds import mix
from sparring.nets.price_features import SHORTEST, lagged_features
from sparring.nets.strategies import Momentum, MovingAverage, Strategy, StrategyMLP, StrategyTCN, ThresholdedNet

STEPS, BATCH, LR, WEIGHT_DECAY = 400, 256, 2e-3, 1e-2
"""Training of networks by AdamW."""
CHECK_EVERY = 40
"""Steps between two looks at the validation loss."""
VALIDATION = 0.2
"""Fraction of the training decisions, the last in time, on which the best step is chosen."""
MAX_TRAINING = 20_000
"""Largest number of decisions to learn from, the last ones."""

Perturb = Callable[[ThresholdedNet, Tensor, Tensor], Tensor]
"""(network, windows `[B, 5, T]`, labels `[B]`) -> windows to train on, as adversarial training does."""


@dataclass(frozen=True)
class NamedStrategy:
    """A strategy that Sparring brings along."""

    summary: str
    create: Callable[[], nn.Module]
    """Return the strategy, before it is fitted."""
    shortest: int
    """Bars of the shortest window that it reads."""
    gradients: bool = True
    """False where no gradient flows to the bars."""


class Boosting(nn.Module):
    """Boosted trees on lagged features (scikit-learn); its score is the probability of a rise minus its median."""

    def __init__(self) -> None:
        super().__init__()
        self.trees: Any = None
        self.threshold = 0.5

    def forward(self, bars: Tensor) -> Tensor:
        """Map bars to scores, without gradients."""
        rows = lagged_features(bars.detach()).float().cpu().numpy()
        chance = torch.from_numpy(self.trees.predict_proba(rows)[:, 1])
        return (chance - self.threshold).to(bars)


NAMED: Mapping[str, NamedStrategy] = {
    "moving-average": NamedStrategy("the moving averages of 10 and 50 bars cross", MovingAverage, 51),
    "momentum": NamedStrategy("the sign of the return over 20 bars", Momentum, 22),
    "mlp": NamedStrategy("two hidden layers on lagged features", StrategyMLP, SHORTEST),
    "tcn": NamedStrategy("causal convolutions on the features of each bar", StrategyTCN, 22),
    "boosting": NamedStrategy("boosted trees on lagged features", Boosting, SHORTEST, gradients=False),
}
"""Name -> strategy."""


def fit_strategy(strategy: Strategy, windows: Tensor, returns: Tensor, seed: int) -> None:
    """Fit a strategy that learns to the sign of `returns` `[N]` after `windows` `[N, 5, T]`; others stay as they are.

    Its threshold becomes the median of its outputs, so that it is long half of the time. Rows are in the order of time.
    """
    rises = returns > 0
    if isinstance(strategy, ThresholdedNet):
        fit_net(strategy, windows, rises.float(), seed)
    elif isinstance(strategy, Boosting):
        _fit_trees(strategy, windows, rises, seed)


def fit_net(
    net: ThresholdedNet,
    windows: Tensor,
    targets: Tensor,
    seed: int,
    *,
    perturb: Perturb | None = None,
    steps: int | None = None,
) -> None:
    """Train `net` by cross-entropy to `targets` `[N]` in [0, 1] of `windows` `[N, 5, T]`, and set its threshold.

    It takes `steps`, STEPS by default. The weights are those of the smallest loss on the last windows. `perturb`
    changes each batch before its step.
    """
    generator = torch.Generator().manual_seed(mix(seed, 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 2))
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                module.reset_parameters()
    features = torch.cat([net.features(chunk) for chunk in torch.split(windows, 1024)])
    last = max(int(len(windows) * (1 - VALIDATION)), 1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    best, best_state = float("inf"), copy.deepcopy(net.state_dict())
    for step in range(steps or STEPS):
        idx = torch.randint(last, (BATCH,), generator=generator)
        batch = features[idx] if perturb is None else net.features(perturb(net, windows[idx], targets[idx]))
        loss = binary_cross_entropy_with_logits(net.score(batch), targets[idx])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % CHECK_EVERY == CHECK_EVERY - 1:
            with torch.no_grad():
                held_out = binary_cross_entropy_with_logits(net.score(features[last:]), targets[last:])
            if float(held_out) < best:
                best, best_state = float(held_out), copy.deepcopy(net.state_dict())
    net.load_state_dict(best_state)
    with torch.no_grad():
        net.threshold.copy_(net.score(features).median())
    net.eval()


def _fit_trees(strategy: Boosting, windows: Tensor, rises: Tensor, seed: int) -> None:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        raise SparringError("boosting is scikit-learn's, which is missing: pip install 'sparring[tables]'") from None
    rows = torch.cat([lagged_features(chunk) for chunk in torch.split(windows, 1024)]).float().numpy()
    trees = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.05, max_leaf_nodes=8, random_state=seed % 2**32)
    strategy.trees = trees.fit(rows, rises.numpy())
    strategy.threshold = float(torch.from_numpy(trees.predict_proba(rows)[:, 1]).median())
