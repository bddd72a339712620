"""A drawing becomes an example as the images of the data are."""

from __future__ import annotations

import numpy as np
import pytest

from sparring.engine.data_spec import AudioSpec, ImageSpec
from sparring.engine.errors import UsageError
from sparring.studio.attack.drawing import MAX_SIDE, Framing, centred, ink_of, row_of_drawing


def bar(height: int, width: int, top: int, left: int, side: int = 280) -> np.ndarray:
    ink = np.zeros((side, side), np.float32)
    ink[top : top + height, left : left + width] = 1
    return ink


@pytest.mark.parametrize(("top", "left"), [(0, 0), (10, 200), (130, 90)])
def test_it_is_scaled_and_centred_by_its_mass_wherever_it_was_drawn(top: int, left: int) -> None:
    frame = centred(bar(140, 28, top, left), 28, 28, 20 / 28)
    rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
    assert (rows[0], rows[-1], len(columns)) == (4, 23, 4)  # 20 of 28 pixels, as wide as it was for its height
    mass = (frame.sum(0) * (np.arange(28) + 0.5)).sum() / frame.sum()
    assert mass == pytest.approx(14, abs=0.5)


def test_the_mass_counts_and_not_the_box() -> None:
    ink = bar(200, 40, 20, 20) + bar(20, 90, 20, 60)  # a stem with a thin arm to the right
    frame = centred(ink, 28, 28, 20 / 28)
    assert (frame.sum(0) * (np.arange(28) + 0.5)).sum() / frame.sum() == pytest.approx(14, abs=0.5)
    columns = np.flatnonzero(frame.any(0))
    assert columns[0] + columns[-1] > 27  # the box lies to the right


def test_lines_are_antialiased() -> None:
    ink = np.maximum(np.eye(280, k=3, dtype=np.float32), np.eye(280, dtype=np.float32))
    frame = centred(ink, 28, 28, 20 / 28)
    assert frame.max() == 1 and ((frame > 0.05) & (frame < 0.95)).sum() > 10


@pytest.mark.parametrize("white", [True, False])
def test_framing_is_that_of_the_data(white: bool) -> None:
    images = np.zeros((5, 28, 28, 1), np.uint8)
    images[:, 6:22, 10:14] = 250  # 16 of 28 pixels
    images = images if white else 255 - images
    framing = Framing.measure(images)
    assert framing.fill == pytest.approx(16 / 28)
    assert framing.paper == ((0.0,) if white else (255.0,)) and framing.ink == ((250.0,) if white else (5.0,))
    again = row_of_drawing(ImageSpec(28, 28, 1), bar(140, 35, 3, 3), framing)
    assert Framing.measure(again[None]).fill == pytest.approx(16 / 28)


def test_colours_are_those_of_the_data() -> None:
    images = np.full((3, 20, 20, 3), (10, 20, 30), np.uint8)
    images[:, 5:15, 5:15] = (200, 100, 50)
    row = row_of_drawing(ImageSpec(20, 20, 3), bar(100, 100, 9, 9), Framing.measure(images))
    assert row.shape == (20, 20, 3)
    assert row[0, 0].tolist() == [10, 20, 30] and row[10, 10].tolist() == [200, 100, 50]


def test_blank_data_have_the_framing_of_mnist() -> None:
    assert Framing.measure(np.zeros((2, 28, 28, 1), np.uint8)).fill == Framing().fill


def test_what_cannot_be_drawn_is_named() -> None:
    with pytest.raises(UsageError, match="nothing is drawn"):
        row_of_drawing(ImageSpec(28, 28, 1), np.zeros((280, 280), np.float32), Framing())
    with pytest.raises(UsageError, match="cannot be drawn"):
        row_of_drawing(AudioSpec(8000, 100), bar(9, 9, 0, 0), Framing())
    with pytest.raises(UsageError, match=f"at most {MAX_SIDE}"):
        ink_of(b"", 100_000, 100_000)
    with pytest.raises(UsageError, match="has 3 bytes for 2x2"):
        ink_of(b"abc", 2, 2)


def test_a_dot_is_a_drawing() -> None:
    assert centred(bar(1, 1, 279, 279), 28, 28, 20 / 28).sum() == 400
