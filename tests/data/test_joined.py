from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.data.joined import JoinedDomains, moment_map
from sparring.data.loader import BatchLoader


def table(path: Path, rows: list[str]) -> sparring.Dataset:
    path.write_text("x,n,colour,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return sparring.open(path, sparring.ReadOptions(kind="table", label="y")).split(None)


@pytest.fixture
def domains(tmp_path: Path) -> tuple[sparring.Dataset, sparring.Dataset]:
    rng = np.random.default_rng(0)
    colours, classes = ("red", "blue"), ("a", "b")
    here = [f"{rng.normal(0, 1):.4f},{k},{colours[k % 2]},{classes[k % 3 == 0]}" for k in range(60)]
    there = [f"{rng.normal(9, 3):.4f},{k * 2},{colours[k % 2]},{classes[k % 2]}" for k in range(40)]
    return table(tmp_path / "here.csv", here), table(tmp_path / "there.csv", there)


def test_rows_are_those_of_both_and_target_labels_are_hidden(
    domains: tuple[sparring.Dataset, sparring.Dataset],
) -> None:
    source, target = domains
    joined = JoinedDomains(source, target)
    assert len(joined) == 100 and joined.spec.classes == ("a", "b")
    idx = np.array([70, 3, 60, 59])
    np.testing.assert_array_equal(joined[idx], np.concatenate([target[[10]], source[[3]], target[[0]], source[[59]]]))
    assert (joined.labels[60:] == -1).all() and (joined.labels[:60] == source.labels).all()
    assert joined.names[60:] == target.names
    assert joined.fingerprint not in (source.fingerprint, target.fingerprint)


def test_numbers_get_the_targets_moments_and_categories_stay(
    domains: tuple[sparring.Dataset, sparring.Dataset],
) -> None:
    source, target = domains
    mapped = moment_map(source.spec, source, target)
    assert mapped is not None
    rows, others = mapped(source[np.arange(60)]), target[np.arange(40)]
    np.testing.assert_allclose(rows[:, :2].mean(0), others[:, :2].mean(0), rtol=1e-4)
    np.testing.assert_allclose(rows[:, :2].std(0), others[:, :2].std(0), rtol=1e-4)
    np.testing.assert_array_equal(rows[:, 2:], source[np.arange(60)][:, 2:])


def test_batches_pair_target_rows_with_source_rows_by_class_shares(
    domains: tuple[sparring.Dataset, sparring.Dataset],
) -> None:
    joined = JoinedDomains(*domains)
    loader = BatchLoader(
        joined, 20, labelled=400, among=np.arange(60, 100), known=np.arange(60), class_shares=(0.9, 0.1)
    )
    (batch,) = loader.batches(0, 0)
    assert (batch.y == -1).all() and batch.labelled is not None
    x, y = batch.labelled()
    assert len(x) == 400 and float((y == 0).float().mean()) == pytest.approx(0.9, abs=0.05)


def test_shorter_recordings_are_padded_with_silence(tmp_path: Path) -> None:
    import wave

    for name, length in (("here", 800), ("there", 1200)):
        for k in range(6):
            path = tmp_path / name / ("low", "high")[k % 2] / f"{k}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(np.full(length - k, 1000 + k, np.int16).tobytes())
    source = sparring.open(tmp_path / "here").split(None)
    target = sparring.open(tmp_path / "there", like=source.spec).split(None)
    joined = JoinedDomains(source, target)
    rows = joined[np.array([0, 6])]
    assert rows.shape == (2, 1200) == (2, joined.spec.length)
    assert not rows[0, 800:].any() and rows[1, :1195].all()
