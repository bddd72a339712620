"""Specs: rows go to network input and back, shapes and JSON."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparring.engine.data_spec import (
    AudioSpec,
    Column,
    DataSpec,
    ImageSpec,
    SeriesSpec,
    TableSpec,
    spec_from_json,
    spec_to_json,
)

COLUMNS = (
    Column("age", (0,), (), True, 17, 90),
    Column("job", (1, 2, 3), ("?", "nurse", "smith"), False, 0, 1),
    Column("pay", (4,), (), False, -1.5, 2.5),
)
SPECS: list[DataSpec] = [
    ImageSpec(3, 5, 2, ("a", "b"), 10, 4, ((0.5, 1.0),), "LA", True),
    AudioSpec(8000, 6, ("no", "yes"), 10, 1),
    SeriesSpec(("high", "low"), 4, (1.5, -200.0), (0.25, 30.0), (), 10),
    TableSpec(COLUMNS, "rich", ("no", "yes"), 10),
]
SHAPES = {"image": (2, 3, 5), "audio": (1, 6), "series": (2, 4), "table": (5,)}
by_kind = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)


def stored(spec: DataSpec, seed: int, count: int = 7) -> np.ndarray[Any, Any]:
    """Random stored rows of a kind."""
    rng = np.random.default_rng(seed)
    if isinstance(spec, ImageSpec):
        return rng.integers(0, 256, (count, spec.height, spec.width, spec.channels), dtype=np.uint8)
    if isinstance(spec, AudioSpec):
        return rng.integers(-32768, 32768, (count, spec.length), dtype=np.int16)
    if isinstance(spec, SeriesSpec):
        return (rng.standard_normal((count, *spec.shape)) * 50).astype(np.float32)
    jobs = np.eye(3)[rng.integers(0, 3, count)]
    ages, pays = rng.integers(17, 91, (count, 1)), rng.standard_normal((count, 1))
    return np.concatenate([ages, jobs, pays], 1).astype(np.float32)


@by_kind
def test_a_spec_meets_the_protocol_and_knows_its_shape(spec: DataSpec) -> None:
    assert isinstance(spec, DataSpec)
    assert spec.shape == SHAPES[spec.kind]
    assert hash(spec) == hash(spec_from_json(spec_to_json(spec)))


@by_kind
@pytest.mark.parametrize("seed", range(3))
def test_rows_come_back_from_network_input(spec: DataSpec, seed: int) -> None:
    rows = stored(spec, seed)
    x = spec.encode(rows, torch.device("cpu"))
    assert x.dtype == torch.float32 and x.shape == (7, *spec.shape)
    back = spec.decode(x)
    assert back.dtype == rows.dtype and back.shape == rows.shape
    assert np.allclose(back, rows, rtol=1e-5, atol=1e-4) if spec.kind == "series" else np.array_equal(back, rows)


@by_kind
def test_a_spec_survives_json(spec: DataSpec) -> None:
    fields = json.loads(json.dumps(spec_to_json(spec)))
    assert fields["kind"] == spec.kind
    assert spec_from_json(fields) == spec


def test_json_without_kind_is_of_images() -> None:
    assert spec_from_json({"height": 2, "width": 3, "channels": 1, "classes": ["a"], "count": 4}) == ImageSpec(
        2, 3, 1, ("a",), 4
    )


@pytest.mark.parametrize("fields", [{"kind": "smell"}, {"kind": "audio"}, {"kind": "table", "columns": [{"a": 1}]}])
def test_json_that_does_not_fit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError)):
        spec_from_json(fields)


def test_pixels_become_numbers_from_minus_one_to_one() -> None:
    rows = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = ImageSpec(16, 16, 1, (), 1).encode(rows)
    assert x.min() == -1 and x.max() == 1
    assert torch.equal(x, torch.from_numpy(rows).permute(0, 3, 1, 2).float() / 127.5 - 1)
    assert (
        ImageSpec(16, 16, 3, (), 1)
        .encode(np.zeros((2, 16, 16, 3), np.uint8))
        .is_contiguous(memory_format=torch.channels_last)
    )


def test_float_images_keep_their_values() -> None:
    rows = np.array([[[[0.5], [-3.0]]]], np.float32)
    assert ImageSpec(1, 2, 1, (), 1).encode(rows).flatten().tolist() == [0.5, -3.0]


def test_what_lies_outside_is_clipped() -> None:
    assert ImageSpec(1, 2, 1, (), 1).decode(torch.tensor([[[[-3.0, 9.0]]]])).flatten().tolist() == [0, 255]
    assert AudioSpec(8000, 2, (), 1).decode(torch.tensor([[[-3.0, 9.0]]])).tolist() == [[-32768, 32767]]


def test_series_are_standardised() -> None:
    spec = SPECS[2]
    assert isinstance(spec, SeriesSpec)
    rows = np.tile(np.array(spec.mean, np.float32)[:, None], (1, 1, 4))
    assert not spec.encode(rows).any()


@given(arrays(np.float32, (4, 5), elements=st.floats(-100, 100, width=32)))
def test_decoded_rows_are_plausible(x: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    rows = TableSpec(COLUMNS, "rich", (), 10).decode(torch.from_numpy(x))
    assert (rows[:, 0] == np.round(rows[:, 0])).all()
    assert (rows[:, 1:4].sum(1) == 1).all() and set(np.unique(rows[:, 1:4])) <= {0, 1}
    assert np.array_equal(rows[:, 4], x[:, 4])


def test_a_row_is_told_by_name_and_columns_are_compared() -> None:
    spec = TableSpec(COLUMNS, "rich", (), 10)
    row = np.array([40, 0, 0, 1, 0.5], np.float32)
    assert spec.to_dict(row) == {"age": 40, "job": "smith", "pay": 0.5}
    other = torch.tensor([[40, 1, 0, 0, 0.5]])
    assert spec.differs(other, torch.from_numpy(row)[None]).tolist() == [[False, True, False]]


def test_constant_columns() -> None:
    assert Column("a", (0,), (), False, 2, 2).is_constant
    assert Column("a", (0,), ("x",), False, 0, 1).is_constant
    assert not COLUMNS[0].is_constant
