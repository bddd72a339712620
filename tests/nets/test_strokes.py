from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.nets.strokes import StrokeGenerator, _bezier, draw_strokes


def line(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """One straight stroke of one picture, `[1, 1, 8, 2]`."""
    return np.linspace([x0, y0], [x1, y1], 8, dtype=np.float32)[None, None]


def test_a_horizontal_stroke_is_ink_in_its_rows() -> None:
    (ink,) = draw_strokes(line(0, 0.5, 1, 0.5), np.array([[True]]), np.array([0.125], np.float32), (8, 8))
    rows = ink.sum(1)
    assert rows[3] + rows[4] == pytest.approx(ink.sum()) and ink.sum() == pytest.approx(8, rel=0.2)
    assert ink.dtype == np.float32 and ink.min() >= 0 and ink.max() <= 1


def test_what_is_not_visible_is_not_drawn() -> None:
    ink = draw_strokes(line(0, 0, 1, 1), np.array([[False]]), np.array([0.2], np.float32), (8, 8))
    assert not ink.any()


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_a_stroke_at_the_edge_stays_in_its_picture(y: float) -> None:
    points = np.concatenate([line(0, 0.5, 1, 0.5), line(0, y, 1, y), line(0, 0.5, 1, 0.5)])
    visible = np.array([[False], [True], [False]])
    ink = draw_strokes(points, visible, np.full(3, 0.25, np.float32), (8, 12))
    assert ink[1].any() and not ink[[0, 2]].any()


def test_curves_begin_and_end_at_their_control_points() -> None:
    control = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0))
    points = _bezier(control)
    torch.testing.assert_close(points[:, [0, -1]], control[:, [0, 2]])
    straight = torch.tensor([[0.0, 0.0], [0.5, 0.25], [1.0, 0.5]])
    torch.testing.assert_close(_bezier(straight)[:, 1], _bezier(straight)[:, 0] / 2)


def test_a_picture_does_not_depend_on_the_others_and_has_no_gradient() -> None:
    torch.manual_seed(0)
    net = StrokeGenerator((3, 16, 12), latent_dim=4, hidden=8, strokes=3)
    z = torch.randn(5, 4)
    pictures = net(z)
    assert torch.equal(net(z[2:3])[0], pictures[2]) and not pictures.requires_grad
    assert torch.equal(pictures[:, 0], pictures[:, 2]) and len(pictures.flatten(1).unique(dim=0)) > 1
