"""Agreement and retrieval of pairs: real pairs reach their ceiling, shuffled ones chance."""

from __future__ import annotations

import numpy as np

from sparring.engine.data_spec import ImageSpec, PairSpec
from sparring.engine.pair_spec import pair_rows
from sparring.measure.kinds.kind_measures import COPIES, REAL, Comparison, compare
from sparring.measure.rivals.rivals import LabelledRows

CLASSES = tuple("abcd")
SPEC = PairSpec((ImageSpec(8, 8, 1, CLASSES, 400), ImageSpec(6, 4, 1, CLASSES, 400)), CLASSES, 400)


def pairs(count: int, seed: int, *, matched: bool = True) -> LabelledRows:
    """A bright row beside a bright column of the same class, whose brightness both halves share."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 4
    other = y if matched else rng.permutation(y)
    bright = rng.integers(60, 250, count)
    first, second = rng.integers(0, 30, (count, 8, 8, 1)), rng.integers(0, 30, (count, 6, 4, 1))
    first[np.arange(count), 2 * y, :, 0] = bright[:, None]
    second[np.arange(count), :, other, 0] = (bright if matched else rng.permutation(bright))[:, None]
    return LabelledRows(pair_rows([first.astype(np.uint8), second.astype(np.uint8)]), y)


def test_matched_pairs_agree_and_shuffled_ones_do_by_chance() -> None:
    training, real = pairs(400, 0), pairs(400, 1)
    good, bad = (
        {score.name: score for score in compare(Comparison(SPEC, samples, real, training))}
        for samples in (pairs(300, 2), pairs(300, 3, matched=False))
    )
    assert set(good) == {"agreement", "image_1 recognised", "image_2 recognised", "retrieval_1", "retrieval_10"}
    assert set(good["agreement"].beside) == {REAL, COPIES, "shuffled"}
    assert good["agreement"].value > 0.97 and good["image_2 recognised"].value > 0.97
    assert bad["agreement"].low < 0.25 < bad["agreement"].high  # chance with four classes of equal size
    assert bad["image_1 recognised"].value > 0.97 and bad["image_2 recognised"].low < 0.25
    assert abs(good["agreement"].beside["shuffled"] - 0.25) < 0.08
    assert good["retrieval_10"].value > 0.9 and good["retrieval_1"].value > 0.2
    assert bad["retrieval_10"].low < 0.1 < bad["retrieval_10"].high
    assert abs(good["retrieval_10"].beside["shuffled"] - 0.1) < 0.06


def test_pairs_without_classes_have_retrieval_alone() -> None:
    spec = PairSpec((ImageSpec(8, 8, 1), ImageSpec(6, 4, 1)))
    rows = [LabelledRows(pairs(200, k).rows, np.full(200, -1)) for k in range(3)]
    scores = [score.name for score in compare(Comparison(spec, *rows))]
    assert scores == ["retrieval_1", "retrieval_10"]
