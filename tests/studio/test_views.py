"""What a page shows of stored rows of each kind."""

from __future__ import annotations

import io
import json
import wave
from base64 import b64decode

import numpy as np
import pytest

from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.studio.views import has_pixels, rgb, views


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_are_three_bytes_a_pixel(channels: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2, 3, 5, channels), np.uint8)
    first, second = views(ImageSpec(3, 5, channels), rows)
    assert (first["width"], first["height"]) == (5, 3)
    pixels = np.frombuffer(b64decode(second["pixels"]), np.uint8).reshape(3, 5, 3)
    kept = rows[1, ..., :3] if channels >= 3 else rows[1, ..., [0, 0, 0]].transpose(1, 2, 0)
    assert (pixels == kept).all()
    assert (rgb(rows)[1] == pixels).all()


def test_sounds_are_wav_files_with_their_extremes() -> None:
    samples = np.zeros((1, 8000), np.int16)
    samples[0, 4000] = 16384
    (sound,) = views(AudioSpec(8000, 8000), samples)
    with wave.open(io.BytesIO(b64decode(sound["wav"]))) as file:
        assert (file.getnframes(), file.getframerate()) == (8000, 8000)
    assert sound["seconds"] == 1.0
    assert max(high for _, high in sound["peaks"]) == 0.5
    assert sum(high > 0 for _, high in sound["peaks"]) == 1


def test_series_are_points_and_gaps_are_null() -> None:
    rows = np.arange(2000, dtype=np.float32).reshape(1, 2, 1000)
    rows[0, 1, 0] = np.nan
    (series,) = views(SeriesSpec(("low", "high"), 1000), rows)
    low, high = series["lines"]
    assert (low["name"], high["name"]) == ("low", "high")
    assert low["points"][0] == [0, 0.0] and low["points"][-1] == [999, 999.0] and len(low["points"]) <= 400
    assert high["points"][0] == [0, None]
    json.dumps(series, allow_nan=False)


def test_tables_are_cells() -> None:
    columns = (Column("age", (0,), (), True, 1, 99), Column("sex", (1, 2), ("f", "m"), False, 0, 1))
    spec = TableSpec(columns, "")
    (row,) = views(spec, np.array([[41, 0, 1]], np.float32))
    assert row == {"kind": "table", "columns": ["age", "sex"], "cells": ["41", "m"]}


def test_a_kind_that_derives_from_images_has_pixels() -> None:
    class ScanSpec(ImageSpec):
        kind = "scan"

    assert has_pixels(ImageSpec(3, 5, 1)) and has_pixels(ScanSpec(3, 5, 1))
    assert not has_pixels(AudioSpec(8000, 8000)) and not has_pixels(SeriesSpec(("u",), 10))
