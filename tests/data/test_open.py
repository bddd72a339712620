"""What every kind of source owes once it is opened. A new kind joins by its line in `tests/kinds.py`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kinds import KINDS, every_kind

import sparring
from sparring.data.store import store_for
from sparring.engine.data_spec import spec_from_json, spec_to_json

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def opened(kind: str, folder: Path) -> sparring.Dataset:
    return sparring.open(KINDS[kind].write(folder), sparring.ReadOptions(**KINDS[kind].read))  # type: ignore[arg-type]


@every_kind
def test_examples_have_splits_labels_names_and_rows(kind: str, tmp_path: Path) -> None:
    data, (unit, train, test) = opened(kind, tmp_path), KINDS[kind].form
    assert (data.spec.kind, data.report.kind, data.report.unit) == (kind, kind, unit)
    assert data.report.splits == {"train": train, "test": test} and data.skipped == KINDS[kind].skipped
    parts = [data, data.split("test")]
    assert [len(part) for part in parts] == [train, test]
    assert [data.split("train").names, data.split(None).report.used] == [data.names, train + test]
    names = [name for part in parts for name in part.names]
    assert sorted(names) == sorted(data.split(None).names) and len(set(names)) == train + test
    for part in parts:
        rows, layout = part[np.arange(len(part))], store_for(data.spec)
        assert rows.dtype == layout.dtype and rows.shape == (len(part), *layout.row_shape)
        assert set(part.labels) == set(range(len(data.spec.classes))) and part.spec.count == len(part)
        few = np.array([2, 0])
        assert np.array_equal(part.select(few)[np.arange(2)], rows[few]) and part.select(few).names == [
            part.names[2], part.names[0]
        ]  # fmt: skip


@every_kind
def test_network_input_is_finite_and_goes_back_to_the_stored_rows(kind: str, tmp_path: Path) -> None:
    data = opened(kind, tmp_path)
    rows = data[np.arange(len(data))]
    x = data.spec.encode(rows)
    assert x.shape == (len(data), *data.spec.shape) and x.isfinite().all()
    np.testing.assert_allclose(data.spec.decode(x), rows, atol=1e-4)
    (batch,) = sparring.BatchLoader(data, 8, seed=3).batches(0, 0)
    assert batch.x.shape == (8, *data.spec.shape) and batch.y is not None and batch.y.tolist() != [-1] * 8


@every_kind
def test_a_source_is_read_once_as_long_as_it_is_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(kind, tmp_path)
    (tmp_path / "copy").mkdir()
    copy = opened(kind, tmp_path / "copy")
    assert (copy.fingerprint, copy.folder) == (first.fingerprint, first.folder)  # by content, wherever it lies
    monkeypatch.setattr("sparring.data.open.find", lambda *_: pytest.fail("read again"))
    again = sparring.open(first.report.source, sparring.ReadOptions(**KINDS[kind].read))  # type: ignore[arg-type]
    assert again.report == first.report and again.spec == first.spec


@every_kind
def test_new_data_are_read_as_those_of_a_model(kind: str, tmp_path: Path) -> None:
    data = opened(kind, tmp_path)
    new = sparring.open(data.report.source, like=data.spec, keep_duplicates=True)
    assert new.spec.shape == data.spec.shape and new.spec.classes == data.spec.classes
    assert np.array_equal(new[np.arange(len(new))], data[np.arange(len(data))])
    assert np.array_equal(new.spec.encode(new[np.arange(3)]), data.spec.encode(data[np.arange(3)]))


@every_kind
def test_inspect_says_it_in_words_and_as_json(kind: str, quick: Cli, tmp_path: Path) -> None:
    source, (unit, train, test) = KINDS[kind].write(tmp_path), KINDS[kind].form
    flags = [text for name, value in KINDS[kind].read.items() for text in (f"--{name}", value)]
    done = quick("inspect", source, *flags, "--json")
    report = json.loads(done.stdout)
    assert (report["kind"], report["unit"], report["used"]) == (kind, unit, train + test)
    assert report["skipped"] == KINDS[kind].skipped and sum(report["classes"].values()) == train + test
    spec = spec_from_json(report["spec"])
    assert spec_to_json(spec) == report["spec"] and spec.count == train + test
    words = quick("inspect", source, *flags).stdout
    (reason,) = KINDS[kind].skipped
    for part in (f"kind        {kind} (", f"{train + test} {unit}", f"train {train}, test {test}", f"1: {reason}"):
        assert part in words
