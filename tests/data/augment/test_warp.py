"""Affine maps of the plane: closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sparring.data.augment.warp import affine, quarter_turns, scale, shift, turn, warp, window

SIZES = [(1, 1), (1, 40), (5, 3), (8, 8), (17, 23)]


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def each(*values: float) -> list[Tensor]:
    return [torch.tensor([float(value)] * 2, dtype=torch.float64) for value in values]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_flips_and_turns_are_those_of_torch(size: tuple[int, int], channels: int) -> None:
    x = noise(2, channels, *size)
    torch.testing.assert_close(warp(x, scale(*each(-1, 1))), x.flip(3))
    torch.testing.assert_close(warp(x, scale(*each(1, -1))), x.flip(2))
    torch.testing.assert_close(warp(x, quarter_turns(*each(2))), x.flip(2, 3))
    torch.testing.assert_close(warp(x, turn(*each(torch.pi))), x.flip(2, 3))
    if size[0] == size[1]:
        for count in range(4):  # the inverse of what is seen: read clockwise, it turns the other way
            torch.testing.assert_close(warp(x, quarter_turns(*each(count))), x.rot90(count, (2, 3)))


def test_a_turn_keeps_distances_where_sides_differ() -> None:
    """A dot 3 pixels right of the centre lies 3 pixels below it after a quarter turn clockwise."""
    x = torch.zeros(2, 1, 9, 21, dtype=torch.float64)
    x[:, :, 4, 13] = 1
    seen = warp(x, turn(*each(-torch.pi / 2)))
    assert abs(seen[0, 0, 7, 10] - 1) < 1e-9 and abs(seen[0, 0, :, 6:15].sum() - 1) < 1e-9


@pytest.mark.parametrize("right,down", [(2, 0), (0, -1), (3, 2), (-4, 1)])
def test_whole_shifts_move_pixels(right: int, down: int) -> None:
    x = noise(2, 3, 9, 12)
    moved = warp(x, shift(*each(-right, -down)))
    inside = (slice(None), slice(None), slice(max(down, 0), 9 + min(down, 0)), slice(max(right, 0), 12 + min(right, 0)))
    torch.testing.assert_close(moved[inside], x.roll((down, right), (2, 3))[inside])
    assert moved.amax() <= x.amax() and moved.amin() >= x.amin()  # reflected: nothing new comes in
    hidden = torch.zeros(2, 9, 12, dtype=torch.bool)
    hidden[:, 4, 5] = True
    cut = window(x, torch.tensor([right] * 2), torch.tensor([down] * 2), hidden)
    filled = torch.zeros_like(x)
    filled[inside] = x.roll((down, right), (2, 3))[inside]
    filled[:, :, 4, 5] = 0
    assert torch.equal(cut, filled)


def test_maps_multiply_and_invert() -> None:
    a, s, x, y = each(0.7, 1.3, 2.5, -1)
    identity = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    torch.testing.assert_close(turn(a) @ turn(-a), identity)
    torch.testing.assert_close(scale(s, 1 / s) @ scale(1 / s, s), identity)
    torch.testing.assert_close(shift(x, y) @ shift(-x, -y), identity)
    torch.testing.assert_close(turn(a) @ turn(a), turn(2 * a))
    torch.testing.assert_close(affine(*each(1, 0, 0, 1, 2.5, -1)), shift(x, y))


@pytest.mark.parametrize("size", SIZES)
def test_only_what_moves_changes(size: tuple[int, int]) -> None:
    x = noise(2, 3, *size).float()
    still, flip = torch.eye(3), scale(torch.tensor([-1.0]), torch.tensor([1.0]))[0]
    torch.testing.assert_close(
        warp(x, torch.stack([still, flip])), torch.stack([x[0], x[1].flip(2)]), atol=1e-4, rtol=0
    )
