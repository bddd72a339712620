from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparring.data.augment.classifier import Augmentation
from sparring.engine.game import Batch

ALL = Augmentation(turn=25, stretch=0.25, slant=0.3, move=0.12, light=0.4, cut=0.5, stroke=0.5)
KINDS = ("turn", "stretch", "slant", "move", "light", "cut", "stroke")


def images(count: int = 6, channels: int = 3, height: int = 9, width: int = 7, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def of(x: Tensor, seed: int = 4) -> Batch:
    return Batch(x, torch.full((len(x),), -1), seed=seed)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12)),
    factor=st.floats(0, 4),
    seed=st.integers(0, 1 << 40),
)
def test_shape_and_range_stay(shape: tuple[int, int, int], factor: float, seed: int) -> None:
    x = images(4, *shape)
    changed = ALL.times(factor)(x, of(x, seed))
    assert changed.shape == x.shape and changed.dtype == torch.float32
    assert torch.isfinite(changed).all() and changed.abs().max() <= 1 + 1e-5


def test_at_strength_0_nothing_changes() -> None:
    x = images()
    assert torch.equal(ALL.times(0)(x, of(x)), x) and torch.equal(Augmentation()(x, of(x)), x)
    assert ALL.times(0) == Augmentation() and ALL.times(1) == ALL


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_something_and_is_drawn_by_the_batch(kind: str) -> None:
    alone, x = Augmentation(**{kind: getattr(ALL, kind)}), images()
    assert not torch.equal(alone(x, of(x)), x)
    assert torch.equal(alone(x, of(x)), alone(x, of(x)))
    assert not torch.equal(alone(x, of(x)), alone(x, of(x, seed=5)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_image_stays_grey_under_what_moves_pixels(kind: str) -> None:
    x = torch.full((4, 2, 6, 6), 0.25)
    changed = Augmentation(**{kind: getattr(ALL, kind)})(x, of(x))
    if kind == "light":
        assert len(changed.flatten(1).unique(dim=1)[0]) == 1  # still of one shade each
    else:
        torch.testing.assert_close(changed, x)  # what is cut takes the darkest value, which is this one


def test_an_image_is_changed_by_itself_and_a_part_of_a_batch_as_in_the_whole() -> None:
    x = images(6)
    whole = ALL(x, of(x))
    part = ALL(x[2:4], Batch(x[2:4], torch.zeros(2), seed=4, batch_slice=slice(2, 4), full_size=6))
    torch.testing.assert_close(part, whole[2:4])


def test_what_is_cut_is_a_box_of_the_darkest_value() -> None:
    x = images(200, 1, 16, 16)
    changed = Augmentation(cut=0.5)(x, of(x))
    other = changed != x
    assert torch.equal(changed[other], x.amin((1, 2, 3), keepdim=True).expand_as(x)[other])
    assert other.flatten(1).sum(1).max() <= 8 * 8  # a side is half the image's at most
    assert 0.02 < float(other.float().mean()) < 0.25


def test_a_stroke_is_a_thin_line_in_the_value_that_stands_out() -> None:
    paper = torch.full((300, 1, 28, 28), -0.5)
    paper[:, :, 14, 14] = 1.0
    changed = Augmentation(stroke=0.5)(paper, of(paper))
    drawn = changed > paper + 1e-6
    assert torch.equal(changed >= paper, torch.ones_like(drawn)) and changed.max() <= 1
    height, width = (drawn.any(side)[:, 0].sum(1) for side in (3, 2))
    assert torch.maximum(height, width).max() <= 14 + 4  # half the side, and the rounded ends of a pen of three pixels
    assert drawn.flatten(1).sum(1).max() <= 14 * 5 + 10 and 0.01 < float(drawn.float().mean()) < 0.05
    torch.testing.assert_close(Augmentation(stroke=0.5)(-paper, of(paper)), -changed)  # dark ink on bright paper


def test_a_move_is_no_further_than_asked() -> None:
    x = torch.full((300, 1, 21, 21), -1.0)
    x[:, :, 10, 10] = 1.0
    changed = Augmentation(move=0.2)(x, of(x))
    light = (changed + 1).clamp_min(0)
    at = torch.arange(21.0)
    rows = (light.sum(3) * at).sum(2) / light.sum((2, 3))
    assert 3.5 < (rows - 10).abs().max() <= 0.2 * 21 + 0.1
    assert (rows - 10).mean().abs() < 0.5


def test_gradients_flow_through_and_it_needs_no_precision() -> None:
    x = images().requires_grad_()
    (gradient,) = torch.autograd.grad(ALL(x, of(x)).sum(), x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    x = images()
    assert not ALL(x, of(x)).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert ALL(x.bfloat16(), of(x)).dtype == torch.float32


def test_rows_of_a_table_know_noise_alone() -> None:
    x = images(2000, 3, 1, 1)
    assert torch.equal(ALL(x, of(x)), x)
    noise = Augmentation(turn=25, light=0.4, jitter=0.5)(x, of(x)) - x
    assert noise.shape == x.shape and noise.std() == pytest.approx(0.5, rel=0.05) and noise.mean().abs() < 0.03
    alike = Augmentation(jitter=0.5)(x, of(x[:1])) - x  # a batch of one row: all are changed alike
    torch.testing.assert_close(alike, alike[:1].expand_as(alike))
