"""Completion of given pictures, through the real command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.commands.sample import Completion, to_text
from sparring.engine.errors import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 8x8 pixels, masks of it, and short runs on digits."""
    folder = tmp_path_factory.mktemp("completion")
    row = sparring.open("digits")[np.arange(1)][0, ..., 0]
    Image.fromarray((row > 127).astype(np.uint8) * 255).save(folder / "digit.png")
    for name, known in {"lower": slice(0, 4), "all": slice(0, 8), "none": slice(0, 0)}.items():
        mask = np.zeros((8, 8), np.uint8)
        mask[known] = 255
        Image.fromarray(mask).save(folder / f"{name}.png")
    Image.new("L", (9, 8), 255).save(folder / "wide.png")
    recipe: Any = sparring.PixelCNNRecipe(binary=True, width=8, layers=2, completion=True)
    sparring.train("digits", recipe, images=1280, out=folder / "pixelcnn")
    sparring.train("digits", sparring.RBM(hidden=16), images=1280, out=folder / "rbm")
    sparring.train("digits", sparring.MADERecipe(hidden=16), images=640, out=folder / "made")
    return folder


@pytest.mark.parametrize(("name", "exact"), [("pixelcnn", True), ("rbm", False)])
def test_fills_keep_what_is_known_and_have_a_probability(name: str, exact: bool, folder: Path, tmp_path: Path) -> None:
    picture, mask = folder / "digit.png", folder / "lower.png"
    result = sparring.sample(folder / name, n=5, given=picture, mask=mask, out=tmp_path / "fills.npz")
    assert isinstance(result, Completion) and result.exact == exact
    rows, known = np.load(result.path)["arr_0"][..., 0], np.asarray(Image.open(mask)) > 0
    assert rows.shape == (5, 8, 8) and (rows[:, known] == np.asarray(Image.open(picture))[known]).all()
    assert len(result.log_probabilities) == 5 and all(value < 0 for value in result.log_probabilities)
    assert "fill" in to_text(result) and ("estimate" in to_text(result)) != exact
    again = sparring.sample(folder / name, n=3, given=picture, mask=mask, out=tmp_path / "again.npz")
    assert np.array_equal(np.load(again.path)["arr_0"][..., 0], rows[:3])


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    picture = folder / "digit.png"
    for name, given, mask, message in (
        ("made", picture, folder / "lower.png", "cannot complete a given picture: train with --recipe pixelcnn"),
        ("rbm", picture, None, "--given PICTURE and --mask MASK belong together"),
        ("rbm", picture, folder / "wide.png", "is 9x8, the picture .* is 8x8"),
        ("rbm", picture, folder / "all.png", "leaves nothing to fill"),
        ("rbm", picture, folder / "none.png", "leaves nothing known"),
        ("rbm", picture, folder / "no.png", "there is no"),
        ("rbm", folder / "wide.png", folder / "lower.png", "9x8|8x9"),
    ):
        with pytest.raises(UsageError, match=message):
            sparring.sample(folder / name, n=2, given=given, mask=mask, out=tmp_path / "x.png")
