"""Attacks on trading in an order book, where fills and queue places follow from orders.

    python benchmarks/trading_book.py --seeds 0 1 2

A zero-intelligence book (`sparring.attacks.order_book`), 10 levels. A strategy decides every 100 events, buys or sells
three units at once, and closes the position 50 events later. Two strategies:

  imbalance  the side with more units within 10 ticks of the best price
  momentum   the sign of the change of the mid price since the decision before

and two attacks by k units, just before a decision, on the side that turns its signal:

  push       k market orders, sold again 25 events after the decision
  layers     k limit orders at and behind the best price, cancelled 10 events after the decision; those that were
             filled are closed by market orders

The same on a random side stands beside. Each decision is attacked alone: the book is copied, and copies go on with the
same random numbers. Amounts are in ticks for each decision. `impact` is the change of the mid price by a push, `later`
what is left of it 50 events after, relative to the book without it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from record import log, save

from sparring.attacks.order_book import OrderBook, Rates, Side, events
from sparring.stats.block_bootstrap import block_interval

WARM_UP, BETWEEN, HOLD, UNWIND, REST = 2000, 100, 50, 25, 10
SIZE = 3
"""Units of the strategy's position."""
UNITS = (1, 2, 4, 8, 16)
STRATEGIES, ATTACKS = ("imbalance", "momentum"), ("push", "layers")
SHOWN = ("imbalance push 8", "imbalance layers 8", "momentum push 8")
ATTACKER, VICTIM = "attacker", "strategy"


@dataclass(frozen=True)
class Outcome:
    """What came of one decision."""

    signal: int
    mid: float
    """Mid price after the attack."""
    later: float
    """Mid price HOLD events later."""
    attacker: float
    """Money of the attacker, in ticks."""
    strategy: float
    """Money of the strategy, in ticks."""


def main() -> None:
    """Play all attacks and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--name", default="trading_book")
    options = parser.parse_args()
    begin = time.process_time()
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in options.seeds:
        for name, values in play(seed, options.decisions).items():
            rows.setdefault(name, []).extend(values)
        log(f"seed {seed}: {len(rows)} attacks, {time.process_time() - begin:.0f} CPU s")
    table = {name: _summary(values) for name, values in rows.items()}
    minutes = (time.process_time() - begin) / 60
    turned = {name: 100 * row["turned"]["value"] for name, row in table.items()}
    shown = [(name, turned[name], turned[f"{name} random"]) for name in SHOWN]
    save(
        options.name, target="none: the consequences of orders", met=True,
        result=", ".join(f"{name} {hits:.0f} % (random side {other:.0f} %)" for name, hits, other in shown),
        details={"seeds": options.seeds, "cpu_minutes_of_one_thread": round(minutes, 1), "attacks": table},
    )  # fmt: skip


def play(seed: int, decisions: int) -> dict[str, list[dict[str, float]]]:
    """Return what each attack did at each decision of one long book."""
    book, rng = OrderBook(), np.random.default_rng(seed)
    game, sides = events(book, Rates(), rng), np.random.default_rng(seed + 1000)
    list(islice(game, WARM_UP))
    rows: dict[str, list[dict[str, float]]] = {}
    for number in range(decisions):
        before = book.mid
        list(islice(game, BETWEEN))
        for strategy in STRATEGIES:
            plain = outcome(book, strategy, before, "push", 0, 1, number)
            for attack in ATTACKS:
                for units in UNITS:
                    random_side: Side = 1 if sides.random() < 0.5 else -1
                    for name, side in (("", -1 if plain.signal > 0 else 1), (" random", random_side)):
                        after = outcome(book, strategy, before, attack, units, side, number)
                        rows.setdefault(f"{strategy} {attack} {units}{name}", []).append(_row(plain, after, side))
    return rows


def outcome(
    book: OrderBook, strategy: str, before: float, attack: str, units: int, side: Side, seed: int
) -> Outcome:  # fmt: skip
    """Return what comes of one decision in a copy of `book`, after an attack by `units` on `side`."""
    copy, since = book.copy(), len(book.fills)
    game = events(copy, Rates(), np.random.default_rng(seed))
    placed = [_place(copy, attack, side, k) for k in range(units)]
    signal = _signal(copy, strategy, before)
    mid = copy.mid
    for _ in range(SIZE if signal else 0):
        copy.market(signal, VICTIM)
    list(islice(game, REST))
    for order in placed:
        if order is not None:
            copy.cancel(order)
    list(islice(game, UNWIND - REST))
    _close(copy, ATTACKER, since)
    list(islice(game, HOLD - UNWIND))
    later = copy.mid
    _close(copy, VICTIM, since)
    return Outcome(signal, mid, later, copy.cash(ATTACKER, since)[0], copy.cash(VICTIM, since)[0])


def _place(book: OrderBook, attack: str, side: Side, number: int) -> int | None:
    """Place one unit of an attack; return the number of an order that rests."""
    if attack == "push":
        book.market(side, ATTACKER)
        return None
    return book.limit(side, book.best(side) - side * (number % 4), ATTACKER)


def _signal(book: OrderBook, strategy: str, before: float) -> Side:
    """Return the side that the strategy takes; it buys where there is no difference."""
    value = book.imbalance() if strategy == "imbalance" else book.mid - before
    return 1 if value >= 0 else -1


def _close(book: OrderBook, owner: str, since: int) -> None:
    """Trade until the owner has no units left."""
    _, units = book.cash(owner, since)
    for _ in range(abs(units)):
        book.market(-1 if units > 0 else 1, owner)


def _row(plain: Outcome, after: Outcome, side: Side) -> dict[str, float]:
    return {
        "turned": float(plain.signal != after.signal),
        "attacker": after.attacker,
        "strategy_loss": plain.strategy - after.strategy,
        "impact": side * (after.mid - plain.mid),
        "later": side * (after.later - plain.later),
    }


def _summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return the mean of each amount with its interval, by blocks of 20 decisions."""
    columns = {key: torch.tensor([row[key] for row in rows]) for key in rows[0]}
    summary: dict[str, Any] = {key: block_interval(values, 20).to_json() for key, values in columns.items()}
    return summary | {"decisions": len(rows)}


if __name__ == "__main__":
    main()
