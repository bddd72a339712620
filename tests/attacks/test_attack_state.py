"""The books of an attack: what is kept of a row that is in the batch more than once."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparring.attacks.attack_state import best_per_row, running_attack
from sparring.attacks.threat_model import Threat


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(-3, 3)), min_size=1, max_size=30))
def test_of_each_row_the_largest_margin_is_kept_once(given: list[tuple[int, bool, int]]) -> None:
    rows, which, margins = (torch.tensor(part) for part in zip(*given, strict=True))
    kept = best_per_row(rows, which, margins.float())
    assert which[kept].all()
    assert sorted(rows[kept].tolist()) == sorted(set(rows[which].tolist()))
    for place in kept:
        assert margins[place] == margins[which & (rows == rows[place])].max()


def test_points_of_one_row_are_not_mixed() -> None:
    size, copies = 50_000, 16  # as large as threads share
    model = lambda x: torch.stack([10 * x[:, 0], 10 - 10 * x[:, 0]], 1)  # noqa: E731
    x, y = torch.full((2, size), 0.9), torch.zeros(2, dtype=torch.int64)
    with running_attack(model, x, y, Threat("Linf", 0.5)) as state:
        rows = torch.arange(2).repeat_interleave(copies)
        at = torch.linspace(0.6, 0.8, 2 * copies)[torch.randperm(2 * copies)][:, None].expand(-1, size).contiguous()
        state.record(at, model(at), rows, 1)
        for row in range(2):
            assert (state.adv[row] == at[rows == row].min()).all()  # the largest margin, and nothing of the others
