"""Arrays of images are read by one rule: bytes are stored rows, other numbers are scaled as the training data were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sparring.data.open import open_source
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError
from sparring.models.inputs import to_input

BYTES = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 1), np.uint8)
PLAIN, DEEP, DIM = (ImageSpec(6, 7, 1, scale=scale) for scale in (None, (0.0, 4095.0), (0.0, 16.0)))


@pytest.mark.parametrize(
    ("spec", "array", "stored"),
    [
        (PLAIN, BYTES, BYTES), (PLAIN, BYTES / 255, BYTES), (PLAIN, BYTES.astype(np.int64), BYTES),
        (PLAIN, (BYTES / 255)[0, ..., 0].astype(np.float32), BYTES[:1]), (PLAIN, BYTES > 99, 255 * (BYTES > 99)),
        (DEEP, BYTES, BYTES), (DEEP, BYTES * 16.0 + 1, ((BYTES * 16.0 + 1) / 4095 * 255).round()),
        (DEEP, BYTES.astype(np.uint16), (BYTES / 4095 * 255).round()),
        (DIM, BYTES % 17, ((BYTES % 17) / 16 * 255).round()),
        (DIM, (BYTES % 17).astype(float), (BYTES % 17) / 16 * 255),
        (DIM, BYTES, BYTES),
    ],
)  # fmt: skip
def test_an_array_is_read_by_the_scale_of_the_model(spec: ImageSpec, array: np.ndarray, stored: np.ndarray) -> None:
    expected = spec.encode(np.asarray(stored).round().astype(np.uint8))
    assert torch.equal(to_input(spec, array), expected)


@pytest.mark.parametrize("spec", [PLAIN, DEEP, DIM])
def test_an_array_is_read_as_a_file_of_it(spec: ImageSpec, tmp_path: Path) -> None:
    for name, values in {
        "whole": BYTES.astype(np.int32) % 17,
        "raw": BYTES.astype(np.uint16),
        "bytes": BYTES % 17,
    }.items():
        np.save(tmp_path / f"{name}.npy", values)
        data = open_source(tmp_path / f"{name}.npy", like=spec, keep_duplicates=True).split(None)
        assert torch.equal(to_input(spec, values), spec.encode(data[np.arange(5)])), name


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (BYTES * 16.0, "the array holds values from 0 to .*trained on bytes"),
        (BYTES / 127.5 - 1, "is given as a tensor"),
        (BYTES * np.nan, "no finite numbers"), (BYTES.astype(str), "arrays of numbers"),
        (BYTES + 0j, "arrays of numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_model_of_bytes(array: np.ndarray, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        to_input(PLAIN, array)
