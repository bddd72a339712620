from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sparring.engine.data_spec import AudioSpec, ImageSpec, SeriesSpec
from sparring.engine.errors import UsageError
from sparring.measure.effects import image_readings as images
from sparring.measure.effects.readings import Readings, readings_for


def bar(left: int, right: int, top: int, bottom: int, ink: float = 1.0, side: int = 32) -> Tensor:
    """A rectangle of ink, `[1, side, side]`."""
    weight = torch.zeros(1, side, side)
    weight[0, top:bottom, left:right] = ink
    return weight


def test_centres_are_those_of_the_rectangle() -> None:
    weight = bar(0, 8, 16, 32)
    assert images.centre_x(weight).item() == pytest.approx(4 / 16 - 1)
    assert images.centre_y(weight).item() == pytest.approx(24 / 16 - 1)


def test_width_and_length_are_those_of_a_long_stroke_whatever_its_ink() -> None:
    for ink in (1.0, 0.5):
        weight = bar(14, 18, 2, 30, ink)
        outline = 2 * (4 + 28)
        assert 2 ** images.stroke_width(weight).item() == pytest.approx(2 * 4 * 28 / outline, rel=0.02)
        assert 2 ** images.stroke_length(weight).item() == pytest.approx(outline / 2 / 32, rel=0.02)
        assert images.darkness(weight).item() == pytest.approx(ink)


@pytest.mark.parametrize("shear", [-0.5, 0.0, 0.25, 0.75])
def test_slant_is_the_shear_of_an_upright_stroke(shear: float) -> None:
    weight = torch.zeros(1, 64, 64)
    for row in range(8, 56):
        left = round(28 - shear * (row - 31.5))
        weight[0, row, left : left + 4] = 1
    assert images.slant(weight).item() == pytest.approx(shear, abs=0.02)
    assert images.stroke_mirror_error(weight).item() < 0.02  # the slant is undone first


def test_mirror_error_of_strokes_is_zero_for_symmetric_ones_only() -> None:
    symmetric, corner = bar(10, 20, 4, 28), torch.maximum(bar(4, 8, 4, 28), bar(4, 24, 24, 28))
    assert images.stroke_mirror_error(symmetric).item() == pytest.approx(0, abs=1e-3)
    assert images.stroke_mirror_error(corner).item() > 0.02
    moved = corner.roll((2, 5), (1, 2))
    assert images.stroke_mirror_error(moved).item() == pytest.approx(
        images.stroke_mirror_error(corner).item(), rel=1e-3
    )


@pytest.mark.parametrize(
    ("colour", "angle"), [((1, 0, 0), 0), ((0, 1, 0), 2 / 3), ((0, 0, 1), -2 / 3), ((1, 1, 0), 1 / 3)]
)
def test_hue_is_the_angle_of_the_colour_circle(colour: tuple[int, int, int], angle: float) -> None:
    x = torch.tensor(colour).float().view(1, 3, 1, 1).expand(1, 3, 8, 8) * 2 - 1
    assert images.hue(x).item() == pytest.approx(angle * math.pi, abs=1e-5)
    assert images.saturation(x).item() == pytest.approx(1)
    assert images.saturation(x.mean(1, keepdim=True).expand_as(x)).item() == pytest.approx(0, abs=1e-6)


def test_contrast_brightness_and_mirror_error_of_two_halves() -> None:
    grey = torch.zeros(1, 8, 8)
    grey[:, :, 4:] = 0.5
    assert images.mass(grey).item() == pytest.approx(0.25)
    assert images.contrast(grey).item() == pytest.approx(0.25)
    assert images.mirror_error(grey).item() == pytest.approx(0.5)


def test_empty_pictures_have_finite_readings() -> None:
    x = torch.cat([torch.full((1, 1, 28, 28), -1.0), torch.rand(3, 1, 28, 28) * 0.1 - 1])
    readings = Readings.fit(ImageSpec(28, 28, 1), x)
    assert bool(torch.isfinite(readings.values(x)).all())
    assert bool(torch.isfinite(readings.standardised(x)).all())


def test_the_kind_of_pictures_decides_the_readings() -> None:
    strokes = -torch.ones(4, 1, 16, 16)
    strokes[:, :, 4:12, 6:8] = 1
    photos = torch.rand(4, 3, 16, 16) * 2 - 1
    names = {name: {each.name for each in readings_for(spec, x)} for name, spec, x in (
        ("strokes", ImageSpec(16, 16, 1), strokes), ("dark on light", ImageSpec(16, 16, 1), -strokes),
        ("colour", ImageSpec(16, 16, 3), photos), ("grey", ImageSpec(16, 16, 1), photos[:, :1]),
    )}  # fmt: skip
    assert names["strokes"] == names["dark on light"] >= {"stroke width", "slant"}
    assert names["colour"] - names["grey"] == {"hue", "saturation"}
    with pytest.raises(UsageError, match="no readings of series"):
        readings_for(SeriesSpec(("a",), 4), torch.zeros(1, 1, 4))


def test_changes_of_an_angle_go_the_shorter_way() -> None:
    def coloured(angle: float) -> Tensor:
        """Colours at an angle of the circle, near the wrap at pi for cyan."""
        a, b = 0.3 * math.cos(angle), 0.3 * math.sin(angle)
        red, green = 0.5 + a * 2 / 3, 0.5 - a / 3 + b / math.sqrt(3)
        return torch.tensor([red, green, 0.5 - a / 3 - b / math.sqrt(3)]).view(1, 3, 1, 1).expand(1, 3, 4, 4) * 2 - 1

    samples = torch.cat([coloured(math.pi + offset) for offset in (-0.2, -0.1, 0.1, 0.2)])
    readings = Readings.fit(ImageSpec(4, 4, 3), samples)
    k = readings.names.index("hue")
    deviation = float(readings.deviations[k])
    assert deviation == pytest.approx(math.sqrt(0.025), rel=1e-3)
    change = readings.change(coloured(math.pi - 0.1), coloured(math.pi + 0.1))[0, k].item()
    assert change == pytest.approx(0.1 / deviation, rel=1e-3)


def test_loudness_and_pitch_of_a_tone() -> None:
    time = torch.arange(8000) / 8000
    tones = torch.stack([0.5 * torch.sin(2 * math.pi * hertz * time) for hertz in (100, 200)])[:, None]
    readings = Readings.fit(AudioSpec(8000, 8000), torch.cat([tones, tones * 0.1, torch.zeros(1, 1, 8000)]))
    k = {name: i for i, name in enumerate(readings.names)}
    values = readings.values(tones)
    assert (values[1] - values[0])[k["pitch"]].item() == pytest.approx(1, abs=0.02)  # an octave
    louder = readings.change(tones * 0.1, tones) * 2 * readings.deviations
    assert louder[0, k["loudness"]].item() == pytest.approx(20, abs=0.1)
    assert readings.change(torch.zeros(1, 1, 8000), tones[:1])[0, k["pitch"]].item() == 0  # silence has no pitch
