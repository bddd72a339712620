"""State of an attack: what is recorded for a row that occurs several times in the batch."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparring.attacks.attack_state import best_per_row, running_attack
from sparring.attacks.threat_model import Threat


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(-3, 3)), min_size=1, max_size=30))
def test_best_per_row_returns_the_largest_margin_of_each_row_once(triples: list[tuple[int, bool, int]]) -> None:
    idx, mask, margins = (torch.tensor(part) for part in zip(*triples, strict=True))
    kept = best_per_row(idx, mask, margins.float())
    assert mask[kept].all()
    assert sorted(idx[kept].tolist()) == sorted(set(idx[mask].tolist()))
    for position in kept:
        assert margins[position] == margins[mask & (idx == idx[position])].max()


def test_record_never_mixes_the_values_of_several_points() -> None:
    size, copies = 50_000, 16  # as large as threads share
    model = lambda x: torch.stack([10 * x[:, 0], 10 - 10 * x[:, 0]], 1)  # noqa: E731
    x, y = torch.full((2, size), 0.9), torch.zeros(2, dtype=torch.int64)
    with running_attack(model, x, y, Threat("Linf", 0.5)) as state:
        idx = torch.arange(2).repeat_interleave(copies)
        points = torch.linspace(0.6, 0.8, 2 * copies)[torch.randperm(2 * copies)][:, None].expand(-1, size).contiguous()
        state.record(points, model(points), idx, 1)
        for row in range(2):
            assert (state.adv[row] == points[idx == row].min()).all()  # the largest margin, and nothing of the others
