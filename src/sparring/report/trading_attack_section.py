"""Results of an attack on a trading strategy, and the sections of the page: cost curve, profit and loss, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sparring.report.blocks import Drawing, Table, Text
from sparring.report.format import percent
from sparring.report.page import Section
from sparring.report.svg_plots import curve
from sparring.stats.intervals import Interval

BP = 1e4
"""Basis points in 1."""


@dataclass(frozen=True)
class OrderLevel:
    """Signals that orders of one cost turn."""

    participation: float
    """Volume of the orders for each signal, in average volumes of a bar."""
    turned: Interval
    """Proportion of the signals that the attack turns."""
    random: Interval
    """Proportion that random orders of the same cost turn."""
    random_side: Interval
    """Proportion that orders at the close, on a random side, turn."""

    @property
    def ratio(self) -> float | None:
        """How many times as many signals the attack turns as random orders do; None where these turn none."""
        return self.turned.value / self.random.value if self.random.value else None


@dataclass(frozen=True)
class TradingAttackDetails:
    """Results that only strategies have. Amounts are fractions of the value of an average volume of a bar (ADV)."""

    levels: Sequence[OrderLevel]
    """Signals turned at each cost, the last of which is the largest allowed."""
    profit: Interval
    """Profit of a decision without the attack, after costs, as a fraction of the position."""
    attacked_profit: Interval
    """The same where the attack turns every signal that it can."""
    cost: Interval
    """What the attacker's orders cost for each signal, those that are not turned included; fraction of ADV."""
    gain: Interval
    """What the other side of the turned decisions gains for each signal, fraction of ADV."""
    net: Interval
    """Gain less cost for each signal, fraction of ADV."""
    transfer: Mapping[str, Interval]
    """Other strategy -> proportion of signals that orders found on it turn here."""
    position: float
    """Size of a position, in ADV."""

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        return {**asdict(self), "ratios": [level.ratio for level in self.levels]}

    def to_text(self) -> list[str]:
        """Return lines on cost, profit and transfer."""
        lines = [
            f"orders   {level.participation:.3%} of a volume turn {level.turned.text()} %, at random "
            f"{level.random.text()} %, on a random side of the close {level.random_side.text()} %"
            for level in self.levels
        ]
        lines += [
            f"profit   {self.profit.text(2, BP)} bp a decision, under attack {self.attacked_profit.text(2, BP)} bp",
            f"attacker cost {self.cost.text(4, BP)}, gain at most {self.gain.text(4, BP)}, net {self.net.text(4, BP)} "
            "bp of a volume's value for each signal",
        ]
        lines += [f"transfer {name}: {turned.text()} %" for name, turned in self.transfer.items()]
        return lines


def trading_sections(details: TradingAttackDetails) -> list[Section]:
    """Return the sections."""
    return [
        Section(
            "Cost of turned signals",
            Text(
                "Orders at the end of a bar, in whole ticks and lots, with square-root impact, by what is known then. "
                "Random orders have the same cost. Intervals are by block bootstrap."
            ),
            _level_table(details.levels),
            Drawing(_level_curve(details.levels)),
        ),
        Section("Profit and loss", _profit_table(details)),
        Section(
            "Transfer",
            Text("Orders found on another strategy, which was fitted on the same bars, at the largest cost."),
            Table(
                ("strategy", "turned", "95 % interval"),
                [(name, percent(each.value), _ends(each)) for name, each in details.transfer.items()],
                named_rows=True,
            ),
        ),
    ]


def _level_table(levels: Sequence[OrderLevel]) -> Table:
    rows = [
        (
            f"{level.participation:.3%}",
            f"{percent(level.turned.value)}, {_ends(level.turned)}",
            f"{percent(level.random.value)}, {_ends(level.random)}",
            f"{percent(level.random_side.value)}, {_ends(level.random_side)}",
            "-" if level.ratio is None else f"{level.ratio:.1f}",
        )
        for level in levels
    ]
    return Table(("of a volume", "attack", "random orders", "close, random side", "attack / random"), rows)


def _level_curve(levels: Sequence[OrderLevel]) -> Any:
    lines = {
        name: [(100 * level.participation, getattr(level, attribute).value) for level in levels]
        for name, attribute in (
            ("attack", "turned"),
            ("random orders", "random"),
            ("close, random side", "random_side"),
        )
    }
    return curve("Signals turned", lines, axis="% of an average volume")


def _profit_table(details: TradingAttackDetails) -> Table:
    size = f"bp of a position of {details.position:.1%} of a volume"
    of_volume = "bp of an average volume's value, for each signal"
    rows = [
        ("profit of a decision", details.profit.text(2, BP), size),
        ("profit under attack", details.attacked_profit.text(2, BP), size),
        ("attacker's cost", details.cost.text(4, BP), of_volume),
        ("attacker's gain, at most", details.gain.text(4, BP), of_volume),
        ("gain less cost", details.net.text(4, BP), of_volume),
    ]
    return Table(("", "mean and 95 % interval", "unit"), rows, named_rows=True)


def _ends(interval: Interval) -> str:
    return f"{interval.low:.1%} to {interval.high:.1%}"
