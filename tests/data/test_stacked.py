import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sparring.data.open import open_source
from sparring.data.readers import stacked_mnist as stacked
from sparring.data.registry import KNOWN
from sparring.engine.errors import SparringError


@pytest.fixture
def tiny_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """`mnist` of one picture a digit, each of its own brightness."""
    folder = tmp_path / "data" / KNOWN["mnist"].local[0]
    folder.mkdir(parents=True)
    digits = np.arange(10, dtype=np.uint8)
    for name in ("train", "t10k"):
        images = np.repeat(digits * 20, 16).reshape(10, 4, 4).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", digits)):
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(stacked, "COUNTS", {"train": 600, "test": 200})
    return {}


def test_three_digits_are_a_class(tiny_mnist: dict[str, np.ndarray]) -> None:
    data = open_source("stacked-mnist")
    assert data.report.format == "stacked MNIST"
    assert (len(data), len(data.split("test")), data.report.shape) == (600, 200, (4, 4, 3))
    for row in (0, 17, 599):
        name = data.spec.classes[data.labels[row]]
        assert len(name) == 3
        assert [int(value) // 20 for value in data[np.array([row])][0, 0, 0]] == [int(digit) for digit in name]
    assert len(data.spec.classes) > 300
    assert np.array_equal(open_source("stacked-mnist").labels, data.labels)


def test_a_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacked-mnist").write_bytes(b"not an archive")
    with pytest.raises(SparringError, match="stacked-mnist"):
        open_source("stacked-mnist")
