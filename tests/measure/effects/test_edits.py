from __future__ import annotations

import math

import pytest
import torch

from sparring.engine.data_spec import AudioSpec, ImageSpec
from sparring.engine.errors import UsageError
from sparring.measure.effects import edits
from sparring.measure.effects import image_readings as images


def stroke(side: int = 28) -> torch.Tensor:
    """An upright stroke, white on black, `[1, 1, side, side]`."""
    x = -torch.ones(1, 1, side, side)
    x[:, :, 4:24, 12:16] = 1
    return x


def test_edits_change_the_reading_that_they_name() -> None:
    x, ink = stroke(), images.grey(stroke())
    after = {edit.name: images.grey(edit.function(x, 1.0)) for edit in edits.edits_for(ImageSpec(28, 28, 1), x)}
    moved = images.centre_x(after["a shift to the right"]) - images.centre_x(ink)
    assert moved.item() == pytest.approx(2 * edits.SHIFT, abs=0.01)
    lean = images.slant(after["a lean to the right"]) - images.slant(ink)
    assert lean.item() == pytest.approx(edits.SHEAR, abs=0.02)
    width = images.stroke_width(ink).item()
    assert images.stroke_width(after["a thicker stroke"]).item() > width
    assert images.stroke_width(after["a thinner stroke"]).item() < width
    assert bool((after["a bar at the left"][..., :2] == 1).all())


def test_strokes_on_white_are_thickened_too() -> None:
    white = {edit.name: edit.function(-stroke(), 1.0) for edit in edits.edits_for(ImageSpec(28, 28, 1), -stroke())}
    assert torch.equal(white["a thicker stroke"], -edits.thicker(stroke()))


def test_a_dose_of_zero_or_half_is_weaker() -> None:
    x = stroke()
    assert torch.equal(edits.thicker(x, 0.0), x)
    assert torch.allclose(edits.lean(x, 0.0), x, atol=1e-5)
    sizes = [(edits.thicker(x, dose) - x).abs().mean().item() for dose in (0.5, 1.0, 2.0)]
    assert 0 < sizes[0] < sizes[1] < sizes[2]


def test_turning_the_hue_keeps_brightness_and_comes_round() -> None:
    x = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5) * 0.6
    turned = edits.turned_hue(x)
    assert torch.allclose(turned.mean(1), x.mean(1), atol=1e-6)
    difference = images.hue(turned) - images.hue(x)
    assert torch.allclose(torch.remainder(difference, 2 * math.pi), torch.full((2,), edits.TURN), atol=0.02)
    assert torch.allclose(edits.turned_hue(x, 6.0), x, atol=1e-5)


def test_a_patch_is_that_of_the_next_image() -> None:
    x = torch.stack([torch.full((1, 10, 10), value) for value in (-1.0, 0.0, 1.0)])
    edited = edits.patch(x)
    assert edited[1, 0, -1, -1] == -1
    assert torch.equal(edited[:, :, :7], x[:, :, :7])


def test_kinds_of_images_have_their_edits_and_sounds_have_none() -> None:
    colour = torch.rand(4, 3, 16, 16) * 2 - 1
    assert "another hue" in {edit.name for edit in edits.edits_for(ImageSpec(16, 16, 3), colour)}
    assert "more light" in {edit.name for edit in edits.edits_for(ImageSpec(16, 16, 1), colour[:, :1])}
    with pytest.raises(UsageError, match="no edits of recordings"):
        edits.edits_for(AudioSpec(8000, 100), torch.zeros(1, 1, 100))
