"""Specs: rows go to network input and back, shapes and JSON."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from kinds import KINDS, every_kind

from sparring.engine.data_spec import (
    AudioSpec,
    Column,
    DataSpec,
    ImageSpec,
    SeriesSpec,
    TableSpec,
    kinds_of,
    spec_from_json,
    spec_to_json,
)

COLUMNS = (
    Column("age", (0,), (), True, 17, 90),
    Column("job", (1, 2, 3), ("?", "nurse", "smith"), False, 0, 1),
    Column("pay", (4,), (), False, -1.5, 2.5),
)


@every_kind
def test_a_spec_meets_the_protocol_and_knows_its_shape(kind: str) -> None:
    spec = KINDS[kind].spec
    assert isinstance(spec, DataSpec) and spec.kind == kind and kinds_of(kind)[0] == kind and spec.plural
    assert hash(spec) == hash(spec_from_json(spec_to_json(spec)))


@every_kind
def test_rows_come_back_from_network_input(kind: str) -> None:
    spec, rows, *_ = KINDS[kind]
    x = spec.encode(rows, torch.device("cpu"))
    assert x.dtype == torch.float32 and x.shape == (len(rows), *spec.shape)
    back = spec.decode(x)
    assert back.dtype == rows.dtype and back.shape == rows.shape
    assert np.allclose(back, rows, rtol=1e-5, atol=1e-4) if x.abs().max() > 1 else np.array_equal(back, rows)


@every_kind
def test_a_spec_survives_json(kind: str) -> None:
    spec = replace(KINDS[kind].spec, condition_stats=((0.5, 1.0),))  # type: ignore[type-var]
    fields = json.loads(json.dumps(spec_to_json(spec)))
    assert fields["kind"] == kind
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
    spec = SeriesSpec(("high", "low"), 4, (1.5, -200.0), (0.25, 30.0))
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
