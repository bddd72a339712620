import io
import math
import wave

import numpy as np
import pytest

from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.report.blocks import Gallery, Picture, Sound, Table
from sparring.report.render import MAX_COLUMNS, PAIR_SIDE, render, render_pairs


def test_images_are_a_grid_with_changed_ones_below() -> None:
    spec = ImageSpec(40, 40, 1, (), 3)
    rows = np.zeros((3, 40, 40, 1), np.uint8)
    picture = render(spec, rows, rows + 255, ["a", "b", "b"])
    assert isinstance(picture, Picture) and picture.caption == "a, b"
    pixels = np.asarray(picture.image)
    assert pixels.shape == (80, 120) and not pixels[:40].any() and pixels[40:].all()


def test_sounds_can_be_played() -> None:
    spec = AudioSpec(rate=8000, length=5, classes=(), count=2)
    rows = np.arange(10, dtype=np.int16).reshape(2, 5)
    gallery = render(spec, rows, rows, ["<yes>", "no"])
    assert isinstance(gallery, Gallery) and gallery.__html__().count("<audio controls") == 4
    assert "original &lt;yes&gt;" in gallery.__html__()
    (first, _, second, _) = gallery.figures
    assert isinstance(first, Sound) and isinstance(second, Sound)
    with wave.open(io.BytesIO(second.wav)) as file:
        assert file.getframerate() == 8000 and file.readframes(5) == rows[1].tobytes()


def test_series_are_plots_with_a_line_for_each_channel() -> None:
    spec = SeriesSpec(("temperature", "<load>"), 4, (0.0, 0.0), (1.0, 1.0), (), 1)
    html = render(spec, np.ones((2, 2, 4), np.float32), captions=["one", "two"]).__html__()
    assert html.count("<svg") == 2 and "temperature" in html and "&lt;load&gt;" in html and ">steps<" in html
    assert "temperature, changed" in render(spec, np.ones((1, 2, 4)), np.zeros((1, 2, 4))).__html__()


def test_tables_have_the_values_of_the_file_and_mark_changes() -> None:
    columns = (Column("age", (0,), (), True, 0, 99), Column("colour", (1, 2), ("red", "<blue>"), False, 0, 1))
    spec = TableSpec(columns, "y", (), 1)
    rows = np.array([[40, 1, 0]], np.float32)
    table = render(spec, rows)
    assert isinstance(table, Table) and table.head == ["age", "colour"] and table.rows == [["40", "red"]]
    changed = render(spec, rows, np.array([[40, 0, 1]], np.float32), ["row 1"])
    assert isinstance(changed, Table) and changed.head == ["", "colour", "age"]  # those with changes come first
    assert "<del>red</del><br><ins>→ &lt;blue&gt;</ins>" in changed.__html__()
    wide = TableSpec(tuple(Column(f"c{k}", (k,), (), False, 0, 1) for k in range(30)), "y", (), 1)
    assert len(render(wide, np.zeros((1, 30), np.float32)).head) == MAX_COLUMNS  # type: ignore[attr-defined]


def test_another_kind() -> None:
    class OtherSpec:
        kind = "video"

    with pytest.raises(TypeError, match="no way to show data of kind video"):
        render(OtherSpec(), np.zeros(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_pairs_of_images_lie_side_by_side(channels: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2, 40, 40, channels), np.uint8)
    first, second = render_pairs(ImageSpec(40, 40, channels, (), 2), rows, rows // 2, [0.5, math.nan])
    assert isinstance(first, Picture) and isinstance(second, Picture)
    assert (first.caption, second.caption) == ("0.5000", "undefined") and first.image.size == (80, 40)
    shown = np.asarray(first.image).reshape(40, 80, -1)
    assert (shown[:, :40] == rows[0][..., : shown.shape[2]]).all()
    assert (shown[:, 40:] == (rows[0] // 2)[..., : shown.shape[2]]).all()


def test_pairs_of_large_images_are_scaled_down() -> None:
    large = np.zeros((1, 1024, 1024, 1), np.uint8)
    (pair,) = render_pairs(ImageSpec(1024, 1024, 1, (), 1), large, large, [1.0])
    assert isinstance(pair, Picture) and pair.image.size == (PAIR_SIDE, PAIR_SIDE // 2)


def test_pairs_of_table_rows_have_their_distance() -> None:
    spec = TableSpec((Column("age", (0,), (), True, 0, 99),), "y", (), 1)
    (table,) = render_pairs(spec, np.array([[40.0]]), np.array([[41.0]]), [0.25])
    assert "distance 0.2500" in table.__html__() and "<ins>→ 41</ins>" in table.__html__()
