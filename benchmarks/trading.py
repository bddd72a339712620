"""Attacks on trading: signals that orders turn, and whether hiding helps.

    python benchmarks/trading.py --seeds 0 1 2

Daily bars of S&P 500 and NASDAQ, 1999 to 2018. Strategies learn from the first 70 %; the last --count decisions are
attacked, each on its own, by orders at the close with square-root impact (`sparring.attacks.tradable_changes`).

Part `strategies`: the report of `sparring attack strategy:NAME`, for all five named ones.

Part `hiding`: the strategy is the MLP on lagged features. Its defences (columns):

  none       nothing
  noise      prices with new noise of .2 volatilities at each decision
  ensemble   one of three MLPs, drawn for each decision
  delay      the last bar is not read
  median     medians of three bars
  hardened   adversarial training by orders of 1 % of a volume at the last bar
  smoothed   the mean score over four noisy views, noise .5 volatilities

What the attacker knows (rows), and the attack that this allows, adapted to the defence:

  weights    everything but the random draws: steepest orders through the defence, and queries; the mean over draws
             (EOT), and medians with the gradient of means (BPDA)
  data       architecture, defence and data: the same on the mean of two that it trains itself with other seeds
  orders     prices and past orders: the same on two MLPs that imitate the signals of the last 1,500 training days
  nothing    prices: orders against the mean of a moving-average crossing and two momentum rules
  random     orders of equal cost in a random direction

Only `weights` knows which signal to turn; others turn the one that their surrogate gives. Against delay, median
and hardened the attacker has two, three and five bars, planned without knowledge of the next: a hardened network may
ignore the last bar. A signal of a random strategy counts as turned
in the proportion of draws in which it differs from the same draw without orders. `cost_10` is the participation at
which 10 % of the signals are turned, by interpolation in the logarithm; null: not reached with 30 % of a volume.
What an earlier call recorded is kept, unless --afresh.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
from record import RESULTS, data_folder, log, save
from torch import Tensor, nn

import sparring
from sparring.attacks.order_attacks import causal_orders, order_directions, random_orders, ray_search
from sparring.attacks.tradable_changes import Market, conditions, executed, orders_threat, without_orders
from sparring.attacks.validation import frozen
from sparring.attacks.wrappers import bpda
from sparring.commands.attacking.strategies import NAMED, fit_net
from sparring.commands.attacking.suites.trading_data import TradedModel, TradingData, trading_data
from sparring.commands.reporting.progress import Progress
from sparring.data.prices import read_prices
from sparring.measure.trading.profit import Decisions
from sparring.nets.strategies import Momentum, MovingAverage, Strategy, StrategyMLP, ThresholdedNet
from sparring.nets.strategy_defences import Delayed, MeanScore, MedianInput, NoisyInput, RandomMember, SmoothedInput
from sparring.stats.block_bootstrap import block_interval

LENGTH, BLOCK = 52, 50
MARKETS, PARTS = ("sp500", "nasdaq"), ("strategies", "hiding")
LEVELS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
SUCCESS = 0.10
"""Proportion of turned signals at which costs are compared."""
DRAWS, EOT, OBSERVED, STEPS = 4, 4, 1500, 4
MEMBERS, SURROGATES, HARDENED_STEPS = 3, 2, 160
BARS = {"delay": 2, "median": 3, "hardened": 5}
RANDOM, KNOWING = ("noise", "ensemble"), ("weights", "data")
DEFENCES = ("none", "noise", "ensemble", "delay", "median", "hardened", "smoothed")
KNOWLEDGE = ("weights", "data", "orders", "nothing", "random")


def main() -> None:
    """Run both parts and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--markets", nargs="+", default=list(MARKETS), choices=MARKETS)
    parser.add_argument("--count", type=int, default=200, help="decisions to attack")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--afresh", action="store_true", help="do not keep what is recorded")
    parser.add_argument("--name", default="trading")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begin, results, earlier = time.process_time(), dict[str, Any](), 0.0
    recorded = RESULTS / f"{options.name}.json"
    if recorded.exists() and not options.afresh:
        kept = json.loads(recorded.read_text())
        results, earlier = {part: kept[part] for part in PARTS if part in kept}, kept["cpu_minutes_of_one_thread"]
    for part in options.parts:
        for market in options.markets:
            if not any(name.startswith(market) for name in results.get(part, {})):
                results.setdefault(part, {}).update({"strategies": strategies, "hiding": hiding}[part](market, options))
                _save(options, results, time.process_time() - begin + 60 * earlier)


def _save(options: argparse.Namespace, results: dict[str, Any], seconds: float) -> None:
    """Write what is finished."""
    minutes = round(seconds / 60, 1)
    ratios = [ratio for each in results.get("strategies", {}).values() for ratio in each["ratios"] if ratio]
    low = min(ratios, default=math.nan)
    result = f"{low:.1f} times what random orders of equal cost turn, in the worst of {len(ratios)} means"
    result = result if ratios else "the part hiding alone, which has no target"
    save(
        options.name, result=result, target="at least 3 times", met=low >= 3,
        details={"seeds": options.seeds, "cpu_minutes_of_one_thread": minutes, **results},
    )  # fmt: skip


def source(market: str) -> Path:
    """Return the csv of a market."""
    return data_folder() / "series" / f"{market}.csv.gz"


def strategies(market: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the reports of all named strategies, and how many times as many signals they turn as random orders."""
    results = {}
    for name in NAMED:
        reports = []
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                report = sparring.attack(
                    f"strategy:{name}",
                    source(market),
                    seed=seed,
                    count=options.count,
                    out=folder,
                    progress=Progress(quiet=True),
                )
            reports.append(report.details.to_json())
            log(f"{market} {name} seed {seed}: {report.details.to_text()[4]}")
        attack, random = (fmean(r["levels"][-1][by]["value"] for r in reports) for by in ("turned", "random"))
        results[f"{market} {name}"] = {"ratios": [attack / random if random else None], "seeds": reports}
    return results


def hiding(market: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the matrix of knowledge and defence, with all seeds."""
    return {market: _summary([matrix(market, seed, options.count) for seed in options.seeds])}


def matrix(market: str, seed: int, count: int) -> dict[str, Any]:
    """Return the turned proportions of all cells for one seed, and the profit of each defence."""
    data = trading_data(read_prices(source(market)).values, LENGTH, count, Market())
    nets = _Nets(data, seed)
    plain: Tensor | None = None
    cells: dict[str, Any] = {}
    for defence in DEFENCES:
        begin = time.process_time()
        target = nets.defended(defence, 0)
        rules = Market(bars=BARS.get(defence, 1))
        profit = _profit(target, data)
        plain = profit if plain is None else plain
        turned = {name: _curve(name, target, defence, nets, data, rules, seed) for name in KNOWLEDGE}
        lost = block_interval(plain - profit, BLOCK)
        cells[defence] = {"turned": turned, "profit_lost_bp": {k: 1e4 * v for k, v in lost.to_json().items()}}
        seconds, at = time.process_time() - begin, LEVELS.index(1e-2)
        shown = " ".join(f"{name} {curve[at]:.3f}" for name, curve in turned.items())
        log(f"{market} seed {seed} {defence}: {shown} ({seconds:.0f} CPU s)")
    return cells


class _Nets:
    """Networks of one market and seed, each trained once."""

    def __init__(self, data: TradingData, seed: int) -> None:
        self.data, self.seed, self.kept = data, seed, dict[tuple[bool, int], ThresholdedNet]()

    def net(self, number: int, hardened: bool = False) -> ThresholdedNet:
        """Return the MLP with this number."""
        key = (hardened, number)
        if key not in self.kept:
            net = self.kept[key] = StrategyMLP()
            targets = (self.data.training_returns > 0).float()
            seed = 1000 * self.seed + number
            if hardened:
                fit_net(net, self.data.training, targets, seed, perturb=_perturbed, steps=HARDENED_STEPS)
            else:
                fit_net(net, self.data.training, targets, seed)
        return self.kept[key]

    def defended(self, defence: str, number: int) -> nn.Module:
        """Return strategy `number` with a defence; none shares a network with another number."""
        net = self.net(10 * number, defence == "hardened")
        builders: dict[str, Callable[[], nn.Module]] = {
            "noise": lambda: NoisyInput(net),
            "ensemble": lambda: RandomMember([self.net(10 * number + k) for k in range(MEMBERS)]),
            "delay": lambda: Delayed(net),
            "median": lambda: MedianInput(net),
            "smoothed": lambda: SmoothedInput(net, LENGTH, draws=4, seed=number),
        }
        return builders.get(defence, lambda: net)()

    def imitations(self, target: nn.Module) -> nn.Module:
        """Return the mean of MLPs that learnt the past signals of `target` from prices."""
        windows = self.data.training[-OBSERVED:]
        with torch.no_grad(), frozen(target, self.seed):
            signals = (target(windows) > 0).float()
        nets = []
        for number in range(SURROGATES):
            nets.append(StrategyMLP())
            fit_net(nets[-1], windows, signals, 1000 * self.seed + 500 + number)
            nets[-1].threshold.zero_()
        return MeanScore(nets)


def _perturbed(net: ThresholdedNet, windows: Tensor, targets: Tensor) -> Tensor:
    """Return the windows after the steepest orders of 1 % of a volume against the right signal."""
    x, market = without_orders(windows), Market()
    result = causal_orders(
        TradedModel(net, market), x, targets.long(), orders_threat(x, market, 0.01), bars=1, steps=2, restarts=1
    )
    return executed(result.adv, market).detach()


def _curve(
    knowledge: str, target: nn.Module, defence: str, nets: _Nets, data: TradingData, market: Market, seed: int
) -> list[float]:
    """Return the proportion of signals that an attacker with this knowledge turns at each of LEVELS."""
    model, x = TradedModel(target, market), without_orders(data.windows)
    if knowledge == "random":
        generator = torch.Generator().manual_seed(seed)
        draws = [[random_orders(x, orders_threat(x, market, b), generator) for _ in range(DRAWS)] for b in LEVELS]
        return [fmean(_turned(model, x, adv, 2) for adv in each) for each in draws]
    surrogates: dict[str, Callable[[], nn.Module]] = {
        "weights": lambda: expected(target),
        "data": lambda: MeanScore([expected(nets.defended(defence, 1 + k)) for k in range(SURROGATES)]),
        "orders": lambda: nets.imitations(target),
        "nothing": lambda: MeanScore([MovingAverage(), Momentum(), Momentum(5)]),
    }
    known = TradedModel(surrogates[knowledge](), market)
    eot = {"weights": EOT, "data": EOT // SURROGATES}.get(knowledge, 1) if defence == "noise" else 1
    with torch.no_grad(), frozen(known, seed):
        y = torch.stack([known(x) for _ in range(4 * eot)]).mean(0).argmax(1)
    smooth = [TradedModel(straight(known.strategy), market)] if defence == "median" and knowledge in KNOWING else []
    curve = []
    for level in LEVELS:
        threat = orders_threat(x, market, level)
        searches = [
            causal_orders(each, x, y, threat, bars=market.bars, steps=STEPS, restarts=1, eot=eot, seed=seed)
            for each in (known, *smooth)
        ]
        steepest = searches[0]
        best = steepest.adv
        for search in searches[1:]:
            best = torch.where((search.loss > steepest.loss)[:, None, None], search.adv, best)
        if knowledge == "weights" and market.bars == 1:
            rays = ray_search(known, x, y, threat, order_directions(x, 1), [1.0], eot=eot, seed=seed)
            use = (rays.success & ~steepest.success)[:, None, None]
            best = torch.where(use, rays.adv, best)
        curve.append(_turned(model, x, best, DRAWS if defence in RANDOM else 1))
    return curve


def straight(strategy: Strategy) -> nn.Module:
    """Return a strategy of medians, or a mean of such, with the gradient of means (BPDA)."""
    if isinstance(strategy, MeanScore):
        return MeanScore([straight(cast(nn.Module, member)) for member in strategy.members])
    assert isinstance(strategy, MedianInput)
    return bpda(strategy.medians, strategy.strategy, backward=strategy.means)


def expected(strategy: nn.Module) -> nn.Module:
    """Return the mean score of a random ensemble, which needs no draws; other strategies as they are."""
    return MeanScore(list(strategy.members)) if isinstance(strategy, RandomMember) else strategy


@torch.no_grad()
def _turned(model: nn.Module, x: Tensor, adv: Tensor, draws: int) -> float:
    """Return the proportion of signals that differ with the orders of `adv`, by the same random draws."""
    rates = []
    for draw in range(draws):
        signals = []
        for points in (x, adv):
            with frozen(model, 7000 + draw):
                signals.append(model(points).argmax(1))
        rates.append(float((signals[0] != signals[1]).double().mean()))
    return fmean(rates)


def _profit(target: nn.Module, data: TradingData) -> Tensor:
    """Return the profit of each decision after costs, `[N]`, as a fraction of a position of 1 % of a volume."""
    market, draws = Market(), []
    sigma = conditions(data.windows, market).sigma
    for draw in range(DRAWS):
        with torch.no_grad(), frozen(target, 9000 + draw):
            positions = torch.where(target(data.windows) > 0, 1.0, -1.0).double()
        draws.append(Decisions(positions, data.returns, sigma, 0.01, market).profit())
    return torch.stack(draws).mean(0)


def _summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each defence's curves as means over seeds with their ends, costs of equal success, and profit lost."""
    summary: dict[str, Any] = {"levels": LEVELS, "seeds": seeds}
    for defence in DEFENCES:
        row = {}
        for name in KNOWLEDGE:
            curves = [seed[defence]["turned"][name] for seed in seeds]
            costs = [cost_of(SUCCESS, curve) for curve in curves]
            row[name] = {
                "turned": [fmean(values) for values in zip(*curves, strict=True)],
                "cost_10": cost_of(SUCCESS, [fmean(values) for values in zip(*curves, strict=True)]),
                "cost_10_seeds": costs,
            }
        lost = [seed[defence]["profit_lost_bp"] for seed in seeds]
        summary[defence] = {
            **row,
            "profit_lost_bp": {k: fmean(each[k] for each in lost) for k in ("value", "low", "high")},
        }
    return summary


def cost_of(success: float, curve: list[float]) -> float | None:
    """Return the participation at which `curve` over LEVELS first reaches `success`; None where it never does."""
    for k, value in enumerate(curve):
        if value >= success:
            if k == 0:
                return LEVELS[0]
            part = (success - curve[k - 1]) / (value - curve[k - 1])
            return math.exp((1 - part) * math.log(LEVELS[k - 1]) + part * math.log(LEVELS[k]))
    return None


if __name__ == "__main__":
    main()
