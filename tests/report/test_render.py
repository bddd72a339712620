import io
import wave

import numpy as np
import pytest

from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.report.blocks import Gallery, Picture, Sound, Table
from sparring.report.render import MAX_COLUMNS, render


def test_images_are_a_grid_with_changed_ones_below() -> None:
    spec = ImageSpec(40, 40, 1, (), 3)
    rows = np.zeros((3, 40, 40, 1), np.uint8)
    picture = render(spec, rows, rows + 255, ["a", "b", "c"])
    assert isinstance(picture, Picture) and picture.caption == "a, b, c"
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
