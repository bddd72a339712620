"""A table's classifier: it learns, takes rows in their own units, and the same seed gives the same network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sparring.attacks import greedy
from sparring.data.tabular import Table, read_table
from sparring.engine.errors import UsageError
from sparring.nets.tabular_mlp import Standardize
from sparring.recipes.supervised.tabular_mlp import fit_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Rich where hours times wage are above 2,000; luck and colour say nothing."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("table") / "rich.csv"
    lines = ["hours,wage,colour,rich"]
    for _ in range(600):
        hours, wage, colour = rng.integers(10, 60), rng.uniform(10, 100), rng.choice(["red", "green", "blue"])
        lines.append(f"{hours},{wage:.2f},{colour},{'yes' if hours * wage > 2000 else 'no'}")
    path.write_text("\n".join(lines))
    return read_table(path, "rich")


def test_it_learns_and_repeats_itself(table: Table) -> None:
    random = torch.random.get_rng_state()
    net, again = (fit_table(table, rows=20_000, hidden=32, lr=5e-3, batch_size=64) for _ in range(2))
    assert torch.equal(random, torch.random.get_rng_state())
    assert (net(table.x).argmax(1) == table.y).double().mean() > 0.95
    assert torch.equal(net(table.x), again(table.x))
    other = fit_table(table, rows=640, hidden=32, batch_size=64, seed=1)
    assert not torch.equal(net(table.x), other(table.x))


def test_few_columns_are_enough_to_break_it_within_what_may_change(table: Table) -> None:
    net = fit_table(table, rows=20_000, hidden=32, lr=5e-3, batch_size=64)
    rows = (net(table.x).argmax(1) == table.y).nonzero().squeeze(1)[:100]
    x, y = table.x[rows], table.y[rows]
    columns = table.constraints(immutable=("wage",), increasing=("hours",))
    threat = table.threat("L0", 4, columns)
    result = greedy(net, x, y, threat)
    assert threat.allows(result.adv, x).all()
    rich = table.classes.index("yes")
    assert result.success[y != rich].double().mean() > result.success[y == rich].double().mean()
    assert table.changed(result.adv, x)[result.success].double().mean() < 2
    free = greedy(net, x, y, table.threat("L0", 4))
    assert free.success_rate > 0.95 > result.success_rate


@pytest.mark.parametrize("odd", [{"rows": 0}, {"hidden": 0}, {"batch_size": 0}, {"lr": float("nan")}])
def test_bad_settings_are_told(odd: dict[str, Any], table: Table) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(odd))} must be"):
        fit_table(table, **odd)


def test_standardised() -> None:
    rows = torch.tensor([[1.0, 5.0, 1e6], [3.0, 5.0, 3e6]])
    layer = Standardize(rows)
    torch.testing.assert_close(layer(rows), torch.tensor([[-1.0, 0.0, -1.0], [1.0, 0.0, 1.0]]))
    assert set(layer.state_dict()) == {"mean", "std"}
