from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparring.engine.game import Batch, Stats, freeze_others


def part(rows: slice | None, size: int | None, seed: int = 1) -> Batch:
    x = torch.zeros(8 if rows is None else rows.stop - rows.start, 3)
    return Batch(x, torch.zeros(len(x), dtype=torch.int64), 0, seed, rows, size)


@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_slices_of_two_processes_make_the_batch_of_one(draw: str) -> None:
    whole, first, second = part(None, None), part(slice(0, 4), 8), part(slice(4, 8), 8)
    for shape in ((5,), (), (2, 3)):
        drawn = [getattr(b, draw)(*shape) for b in (whole, first, second)]
        assert drawn[0].shape == (8, *shape) and drawn[0].dtype == torch.float32
        assert torch.equal(drawn[0], torch.cat(drawn[1:]))


def test_each_call_draws_new_noise_and_a_copy_repeats_it() -> None:
    batch = part(None, None)
    one, two = batch.normal(4), batch.normal(4)
    assert not torch.equal(one, two)
    again = replace(batch)
    assert torch.equal(again.normal(4), one) and torch.equal(again.normal(4), two)
    assert not torch.equal(part(None, None, seed=2).normal(4), one)


def test_noise_does_not_change_the_global_random_state() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    part(None, None).uniform(4)
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_has_its_distribution() -> None:
    batch = Batch(torch.zeros(20_000, 1), torch.zeros(20_000), seed=3)
    normal, uniform = batch.normal(), batch.uniform()
    assert abs(float(normal.mean())) < 0.03 and abs(float(normal.std()) - 1) < 0.03
    assert float(uniform.min()) >= 0 and float(uniform.max()) < 1 and abs(float(uniform.mean()) - 0.5) < 0.01


class Shared:
    """Two players with a trunk in common."""

    def __init__(self) -> None:
        trunk = nn.Linear(2, 2)
        frozen = nn.Linear(2, 2).requires_grad_(False)
        self.players: dict[str, Any] = {
            "a": nn.Sequential(trunk, nn.Linear(2, 1)),
            "b": nn.Sequential(trunk, frozen, nn.Linear(2, 1)),
        }
        self.turns = ("a", "b")

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        return torch.stack([net(batch.x).mean() for net in self.players.values()]).sum(), {}


def test_freeze_others_keeps_shared_parameters_trainable() -> None:
    game = Shared()
    with freeze_others(game, "a"):
        moving = {name: [p.requires_grad for p in net.parameters()] for name, net in game.players.items()}
    assert moving == {"a": [True] * 4, "b": [True, True, False, False, False, False]}
    assert [p.requires_grad for p in game.players["b"].parameters()] == [True, True, False, False, True, True]


def test_freeze_others_restores_after_an_error() -> None:
    game = Shared()
    with pytest.raises(KeyError), freeze_others(game, "b"):
        raise KeyError
    assert all(p.requires_grad for p in game.players["a"].parameters())
