"""Batches depend on (seed, nimg, turn) alone, and every epoch shows each image once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import pixels
from torch import Tensor

from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.open import open_source
from sparring.engine import dist
from sparring.engine.errors import UsageError

COUNT = 13
ROWS = np.arange(COUNT, dtype=np.uint8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Image k is filled with k on the left and 100 + k on the right, and has the label k."""
    folder = tmp_path_factory.mktemp("feed")
    x = np.stack([np.stack([ROWS, ROWS + 100], 1)] * 2, 1)
    np.savez(folder / "a.npz", x=x, y=ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARRING_CACHE", str(folder / "cache"))
        return open_source(folder / "a.npz")


def seen(feed: BatchLoader, nimg: int, turn: int = 0) -> list[int]:
    return [int(label) for batch in feed.batches(nimg, turn) for label in batch.y]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**62), turn=st.integers(0, 9), batch=st.integers(1, 40), epoch=st.integers(0, 50))
def test_every_epoch_shows_each_image_once(images: Dataset, seed: int, turn: int, batch: int, epoch: int) -> None:
    feed = BatchLoader(images, batch, seed=seed)
    first = epoch * COUNT // batch * batch  # the batch in which the epoch begins
    shown: list[int] = []
    nimg = first
    while len(shown) < 2 * COUNT + batch:
        shown += seen(feed, nimg, turn)
        nimg += batch
    start = epoch * COUNT - first
    assert sorted(shown[start : start + COUNT]) == list(range(COUNT))


@settings(deadline=None, max_examples=40)
@given(nimg=st.lists(st.integers(0, 1000), min_size=1, max_size=9), turn=st.integers(0, 3))
def test_a_batch_does_not_depend_on_those_before(images: Dataset, nimg: list[int], turn: int) -> None:
    feed = BatchLoader(images, 4, seed=7, mirror=True)
    for k in nimg:
        (used,), (fresh,) = feed.batches(k * 4, turn), BatchLoader(images, 4, seed=7, mirror=True).batches(k * 4, turn)
        assert torch.equal(used.x, fresh.x)
        assert torch.equal(used.y, fresh.y)


def test_seeds_and_turns_and_epochs_differ(images: Dataset) -> None:
    orders = {
        tuple(seen(BatchLoader(images, COUNT, seed=seed), epoch * COUNT, turn))
        for seed in range(3) for turn in range(3) for epoch in range(3)
    }  # fmt: skip
    assert len(orders) == 27


def test_values_labels_and_layout(images: Dataset) -> None:
    (batch,) = BatchLoader(images, COUNT).batches(0, 0)
    assert batch.x.shape == (COUNT, 1, 2, 2)
    assert batch.x.dtype == torch.float32
    assert batch.y.dtype == torch.int64
    assert torch.allclose(batch.x[:, 0, 0, 0], batch.y / 127.5 - 1)
    assert batch.x.is_contiguous(memory_format=torch.channels_last)


def test_the_ends_of_the_range_are_reached(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[[0, 255]]], np.uint8))
    (batch,) = BatchLoader(open_source(tmp_path / "a.npy"), 1).batches(0, 0)
    assert batch.x.flatten().tolist() == [-1.0, 1.0]


def test_mirror_flips_about_half_and_nothing_else(images: Dataset) -> None:
    plain, mirrored = BatchLoader(images, COUNT), BatchLoader(images, COUNT, mirror=True)
    flips = 0
    for k in range(40):
        (a,), (b,) = plain.batches(k * COUNT, 0), mirrored.batches(k * COUNT, 0)
        flipped = (a.x != b.x).flatten(1).any(1)
        assert torch.equal(torch.where(flipped[:, None, None, None], a.x.flip(3), a.x), b.x)
        flips += int(flipped.sum())
    assert 0.4 < flips / (40 * COUNT) < 0.6


@pytest.mark.parametrize(("world", "parts"), [(1, 4), (2, 1), (2, 2), (4, 1)])
def test_processes_and_parts_cut_the_same_batch(
    images: Dataset, world: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = BatchLoader(images, 8, seed=3, mirror=True).batches(16, 1)
    monkeypatch.setattr(dist, "world_size", lambda: world)
    shares = []
    for rank in range(world):
        monkeypatch.setattr(dist, "rank", lambda rank=rank: rank)
        shares += BatchLoader(images, 8, seed=3, mirror=True, parts=parts).batches(16, 1)
    assert len(shares) == world * parts
    assert torch.equal(torch.cat([share.x for share in shares]), whole.x)
    assert torch.equal(torch.cat([share.y for share in shares]), whole.y)


def test_a_batch_that_does_not_divide_is_refused(images: Dataset) -> None:
    with pytest.raises(UsageError, match="batch size 8 does not divide by 3"):
        BatchLoader(images, 8, parts=3)


def test_an_empty_split_is_refused(images: Dataset) -> None:
    with pytest.raises(UsageError, match="no images"):
        BatchLoader(images.split("test"), 8)


def test_one_image_and_a_batch_larger_than_the_set(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels(1))
    (batch,) = BatchLoader(open_source(tmp_path / "a.npy"), 64).batches(128, 0)
    assert (batch.x == batch.x[0]).all()
    assert len(batch.x) == 64


@pytest.mark.parametrize("parts", [1, 2])
def test_where_labels_are_few_batches_of_labelled_images_can_be_asked_for(images: Dataset, parts: int) -> None:
    assert all(batch.labelled is None for batch in BatchLoader(images, 4).batches(0, 0))  # all are labelled: no need
    few = images.with_labels(0.5)
    few.labels[:] = np.where(ROWS % 5 == 0, ROWS.astype(np.int64), -1)
    feed = BatchLoader(few, 8, seed=3, parts=parts)
    drawn = [batch.labelled() for batch in feed.batches(8, 1) if batch.labelled]
    x, y = (torch.cat(both) for both in zip(*drawn, strict=True))
    assert len(y) == 4 and set(y.tolist()) <= {0, 5, 10} and len(set(y.tolist())) > 1
    assert ((x[:, 0, 0, 0] + 1) * 127.5).round().long().tolist() == y.tolist()
    whole = BatchLoader(few, 8, seed=3).batches(8, 1)[0].labelled
    assert whole is not None and torch.equal(whole()[1], y)


def test_so_many_labelled_images_as_asked_and_each_class_as_likely(images: Dataset) -> None:
    labels = np.full(COUNT, -1)
    labels[:9] = [0] * 8 + [1]
    few = images.relabelled(labels, ("often", "once"))

    def drawn(**how: Any) -> Tensor:
        batches = [BatchLoader(few, 4, seed=3, **how).batches(k * 4, 0)[0] for k in range(60)]
        labelled = [batch.labelled() for batch in batches if batch.labelled]
        assert all(len(x) == len(y) for x, y in labelled)
        return torch.cat([y for _, y in labelled])

    assert len(drawn()) == 60 * 2 and len(drawn(labelled=7)) == 60 * 7 and len(drawn(labelled=1)) == 60
    assert float(drawn(labelled=7).double().mean()) == pytest.approx(1 / 9, abs=0.05)
    assert float(drawn(labelled=7, balanced=True).double().mean()) == pytest.approx(1 / 2, abs=0.08)
    assert torch.equal(drawn(labelled=7, balanced=True), drawn(labelled=7, balanced=True))
    assert (
        BatchLoader(images, 4, labelled=7, balanced=True).batches(0, 0)[0].labelled is None
    )  # all are labelled: no need


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("labelled", [1, 3, 8, 11])
def test_labelled_draws_are_cut_with_the_batch(images: Dataset, parts: int, labelled: int) -> None:
    few = images.relabelled(np.where(ROWS % 2, ROWS.astype(np.int64), -1), tuple(map(str, ROWS)))
    how = {"seed": 3, "labelled": labelled, "balanced": True, "mirror": True}
    (whole,) = BatchLoader(few, 8, **how).batches(8, 1)  # type: ignore[arg-type]
    shares = BatchLoader(few, 8, parts=parts, **how).batches(8, 1)  # type: ignore[arg-type]
    x, y = (torch.cat(both) for both in zip(*(share.labelled() for share in shares if share.labelled), strict=True))
    assert whole.labelled is not None and torch.equal(whole.labelled()[0], x) and torch.equal(whole.labelled()[1], y)


def test_vectors_are_told_with_their_images(tmp_path: Path) -> None:
    x = np.repeat(ROWS + 100, 4).reshape(COUNT, 2, 2)
    np.savez(tmp_path / "a.npz", x=x, y=np.stack([ROWS / 2, -(ROWS / 4)], 1))
    (batch,) = BatchLoader(open_source(tmp_path / "a.npz"), 5, seed=3).batches(0, 0)
    pixels = (batch.x[:, 0, 0, 0] + 1) * 127.5 - 100
    assert batch.y.dtype == torch.float32 and batch.labelled is None
    torch.testing.assert_close(batch.y, torch.stack([pixels / 2, -pixels / 4], 1), atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=30)
@given(batch=st.integers(1, 20), replays=st.integers(1, 9), nimg=st.integers(0, 50))
def test_each_batch_comes_as_often_as_it_is_replayed(images: Dataset, batch: int, replays: int, nimg: int) -> None:
    plain, feed = BatchLoader(images, batch, seed=3), BatchLoader(images, batch, seed=3, replays=replays)
    for again in range(replays):
        (got,), (wanted,) = feed.batches((nimg * replays + again) * batch, 1), plain.batches(nimg * batch, 1)
        assert torch.equal(got.x, wanted.x) and got.seed == wanted.seed


def test_it_goes_through_some_rows_alone(images: Dataset) -> None:
    feed = BatchLoader(images, 3, seed=1, among=np.array([2, 3, 5, 7, 11, 12]))
    for epoch in range(3):
        shown = [label for k in range(2) for label in seen(feed, (2 * epoch + k) * 3)]
        assert sorted(shown) == [2, 3, 5, 7, 11, 12]
    with pytest.raises(UsageError, match="no images to feed"):
        BatchLoader(images, 3, among=np.array([], np.int64))
