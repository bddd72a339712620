"""The suite of trading strategies: orders that an attacker can pay for, beside random orders of the same cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sparring.attacks.attack_state import running_attack
from sparring.attacks.cheapest_orders import cheapest_orders
from sparring.attacks.order_attacks import causal_orders, order_directions, random_orders
from sparring.attacks.threat_for import threat_for
from sparring.attacks.tradable_changes import (
    BAR_ENTRIES,
    ORDERS,
    Market,
    conditions,
    order_cost,
    orders_threat,
    participation,
    without_orders,
)
from sparring.commands.attacking.load_strategy import StrategyTarget, ready_strategy
from sparring.commands.attacking.resumable import joined
from sparring.commands.attacking.strategies import NAMED, fit_strategy
from sparring.commands.attacking.suites.base import AttackContext, Outcome, Suite, predicted, robust_by_class
from sparring.commands.attacking.suites.trading_data import TradedModel, TradingData, tradable, trading_data
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.seeds import mix
from sparring.measure.trading.profit import Decisions
from sparring.report.format import csv_text
from sparring.report.trading_attack_section import OrderLevel, TradingAttackDetails, trading_sections
from sparring.stats.block_bootstrap import block_interval, block_proportion
from sparring.stats.intervals import Interval
from sparring.stats.proportion import Proportion

LEVELS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Costs of the curve, as fractions of the participation."""
CHUNK_SIGNALS = 250
RANDOM_DRAWS = 8
"""Random orders for each signal and cost."""
SURROGATES = ("moving-average", "momentum", "mlp")
"""Strategies on which orders for the test of transfer are found."""
RULES = ("moving-average", "momentum")
"""Strategies that learn nothing."""
SIGNALS = ("short", "long")
"""Classes of a signal."""


@dataclass(frozen=True, eq=False)
class AttackedSignals:
    """Results of one chunk."""

    orders: Tensor
    """Cheapest orders that turned each signal, or the best ones, `[B, 4, bars]`."""
    spent: Tensor
    """Participation of the orders that turned it, `[B]`; inf: none did."""
    random: Tensor
    """Proportion of random orders of each cost that turned it, `[B, levels]`."""
    random_side: Tensor
    """Proportion of the two sides of the close that turned it, `[B, levels]`."""


class TradingAttack:
    """Orders against the signals of one strategy."""

    def __init__(self, context: AttackContext) -> None:
        self.context, flags, subset = context, context.flags.trading, context.subset
        self.market = Market(flags.tick, flags.lot, flags.impact, flags.fee, flags.bars)
        if not 0 < flags.position <= 1:
            raise UsageError(f"--position is a fraction of the average volume from 0 to 1, not {flags.position:g}")
        target = context.target
        assert isinstance(target, StrategyTarget)
        self.length = subset.spec.length
        self.data: TradingData = trading_data(subset.rows, self.length, subset.spec.count, self.market)
        context.progress.info(f"{target.name}: {len(self.data.training):,} windows to learn from")
        self.target = ready_strategy(target, self.data.training, self.data.training_returns, context.seed)
        self.model = TradedModel(self.target.model, self.market)
        usable = tradable(self.data.windows, self.market)
        if not usable.any():
            raise SparringError("no window has volume and price changes before its last bars: nothing can be traded")
        self.usable = usable.nonzero().squeeze(1)
        self.x = without_orders(self.data.windows[self.usable])
        self.levels = [level * flags.participation for level in LEVELS]
        threat_for(subset.spec, self.x, flags.participation, market=self.market)  # checks the participation
        self.y = predicted(self.model, self.x)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that another report must share to be comparable."""
        flags = self.context.flags.trading
        return {
            "participation": flags.participation,
            "position": flags.position,
            "window": self.length,
            **asdict(self.market),
        }

    def run(self) -> Outcome:
        """Run or resume the attack."""
        chunks = joined(self._search())
        turned = torch.stack([chunks.spent <= level * (1 + 1e-9) for level in self.levels], 1)
        adv = self.x.clone()
        adv[:, BAR_ENTRIES:, -self.market.bars :] = chunks.orders
        levels = [
            OrderLevel(
                level, *(self._rate(part[:, k]) for part in (turned.double(), chunks.random, chunks.random_side))
            )
            for k, level in enumerate(self.levels)
        ]
        details = self._details(levels, turned[:, -1], order_cost(adv, self.market))
        robust = ~turned[:, -1]
        names, labels = [self.context.subset.names[self.data.last_bars[k]] for k in self.usable.tolist()], self._labels
        return Outcome(
            attack=f"orders of at most {self.levels[-1]:.3%} of an average volume",
            clean=Proportion.count(len(robust), len(robust)),
            robust=self._proportion(robust),
            details=details,
            sections=lambda report: trading_sections(details),
            by_class=robust_by_class(labels, robust.tolist()),
            files={"signals.csv": self._table(names, labels, turned[:, -1], adv)},
            notes=self._notes,
        )

    def _search(self) -> list[AttackedSignals]:
        context = self.context

        def attack(number: int, idx: Tensor) -> AttackedSignals:
            x, y = self.x[idx], self.y[idx]
            seed = mix(context.seed, number)
            best = cheapest_orders(
                self.model, x, y, self.market, self.levels, gradients=self.target.gradients, seed=seed
            )
            random, side = self._baselines(x, y, seed)
            orders = best.adv[:, BAR_ENTRIES:, -self.market.bars :]
            return AttackedSignals(orders, best.distance.square(), random, side)

        with running_attack(
            self.model, self.x[:3], self.y[:3], orders_threat(self.x, self.market, self.levels[-1])
        ) as s:
            logits = s.clean_logits
        parts = context.parts(AttackedSignals, self.settings, logits)
        return parts.map(
            attack,
            len(self.x),
            CHUNK_SIGNALS,
            self.x.device,
            context.progress.callback("attacking", "signals"),
            "signals",
        )

    def _baselines(self, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return which part of random orders, and of both sides of the close, turn each signal, `[B, levels]`."""
        generator = torch.Generator().manual_seed(mix(seed, 1))
        sides = order_directions(x, 1, ("close",))
        random, both = [], []
        for level in self.levels:
            threat = orders_threat(x, self.market, level)
            draws = [random_orders(x, threat, generator) for _ in range(RANDOM_DRAWS)]
            random.append(torch.stack([predicted(self.model, each) != y for each in draws]).double().mean(0))
            moves = [x + level**0.5 * side for side in sides]
            both.append(torch.stack([predicted(self.model, each) != y for each in moves]).double().mean(0))
        return torch.stack(random, 1), torch.stack(both, 1)

    def _details(self, levels: list[OrderLevel], turned: Tensor, costs: Tensor) -> TradingAttackDetails:
        flags = self.context.flags.trading
        known = conditions(self.x[:, :BAR_ENTRIES], self.market)
        decisions = Decisions(
            2.0 * self.y.double() - 1, self.data.returns[self.usable], known.sigma, flags.position, self.market
        )
        profit, loss = decisions.profit(), decisions.loss_if_turned(turned)
        cost, gain = torch.where(turned, costs, 0), decisions.gain_if_turned(turned)
        return TradingAttackDetails(
            levels=levels,
            profit=self._interval(profit),
            attacked_profit=self._interval(profit - loss),
            cost=self._interval(cost),
            gain=self._interval(gain),
            net=self._interval(gain - cost),
            transfer=self._transfer(),
            position=flags.position,
        )

    def _transfer(self) -> dict[str, Interval]:
        """Return the proportion of signals that orders found on each surrogate turn."""
        threat, rates = orders_threat(self.x, self.market, self.levels[-1]), {}
        for number, name in enumerate(SURROGATES):
            if self.length < NAMED[name].shortest or (f"strategy:{name}" == self.target.name and name in RULES):
                continue  # a rule is not another strategy than itself; a network fitted by another seed is
            surrogate = NAMED[name].create()
            fit_strategy(surrogate, self.data.training, self.data.training_returns, mix(self.context.seed, 10, number))
            model = TradedModel(surrogate, self.market)
            found_on = causal_orders(model, self.x, self.y, threat, bars=self.market.bars, seed=self.context.seed)
            rates[name] = self._rate((predicted(self.model, found_on.adv) != self.y).double())
        return rates

    @property
    def _labels(self) -> list[str]:
        return [SIGNALS[k] for k in self.y.tolist()]

    @cached_property
    def _block(self) -> int:
        """Signals of a block of the bootstrap: a window, but at most an eighth of all."""
        return max(min(int(self.length), len(self.x) // 8), 1)

    def _interval(self, values: Tensor) -> Interval:
        return block_interval(values, self._block, seed=self.context.seed)

    def _rate(self, values: Tensor) -> Interval:
        return block_proportion(values, self._block, seed=self.context.seed)

    def _proportion(self, robust: Tensor) -> Proportion:
        interval = self._rate(robust.double())
        return Proportion(int(robust.sum()), len(robust), interval.low, interval.high, "block-bootstrap")

    def _table(self, names: list[str], labels: list[str], turned: Tensor, adv: Tensor) -> str:
        spent, cost = participation(adv, self.market).tolist(), order_cost(adv, self.market).tolist()
        last = adv[:, BAR_ENTRIES:, -1].tolist()
        lines = (
            (name, label, "yes" if hit else "no", f"{part:.6g}", f"{price:.6g}", *(f"{u:.6g}" for u in orders))
            for name, label, hit, part, price, orders in zip(
                names, labels, turned.tolist(), spent, cost, last, strict=True
            )
        )
        return csv_text(("time", "signal", "turned", "participation", "cost", *(f"{k}_order" for k in ORDERS)), lines)

    @property
    def _notes(self) -> list[str]:
        left = len(self.data.windows) - len(self.x)
        notes = [
            "accuracy is agreement with the strategy's own signals: 100 % without orders",
            f"each signal is attacked on its own; intervals are by blocks of {self._block} signals",
            *self.target.notes,
        ]
        if left:
            notes.append(f"{left:,} signals were left out: no volume, or no price change, before them")
        if not self.target.gradients:
            notes.append("no gradient reaches the bars: orders were searched for by queries")
        return notes


TRADING = Suite("signals", 1000, TradingAttack)
