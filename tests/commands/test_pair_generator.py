"""Pairs through the command line: train sounds with images, sample both, evaluate, continue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from speaking import speak
from tests.conftest import Cli
from tests.data.test_pairs import draw

import sparring
from sparring.measure.scores.evaluation import Evaluation

SMALL = ("--width", 8, "--batch-size", 8, "--latent-dim", 8, "--device", "cpu")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pairs")
    return speak(folder / "words"), draw(folder / "rows")


@pytest.fixture(scope="module")
def run(sources: tuple[Path, Path]) -> Path:
    sounds, images = sources
    recipe = sparring.R3(width=8, batch_size=8, latent_dim=8)
    return sparring.train(
        sounds, recipe, pair_with=str(images), by="label", images=64, out=sounds.parent / "run", device="cpu"
    ).path


@pytest.mark.slow
def test_samples_are_files_of_one_name_that_are_read_as_pairs_again(run: Path, tmp_path: Path) -> None:
    folder = sparring.sample(run, 6, out=tmp_path / "made")
    assert isinstance(folder, Path) and {path.name for path in folder.iterdir()} == {"audio", "image"}
    stems = [sorted(path.stem for path in (folder / half).iterdir()) for half in ("audio", "image")]
    assert stems[0] == stems[1] and len(stems[0]) == 6
    again = sparring.sample(run, 6, out=folder)
    assert again == folder and len(list((folder / "audio").iterdir())) == 6  # the same files
    pairs = sparring.open(folder / "audio", sparring.ReadOptions(pair_with=str(folder / "image"), by="name"))
    assert len(pairs.split(None)) == 6
    arrays = np.load(sparring.sample(run, 3, label="low", out=tmp_path / "x.npz"))  # type: ignore[arg-type]
    with pytest.raises(sparring.UsageError, match="samples of pairs are written as a folder without"):
        sparring.sample(run, out=tmp_path / "x.csv")
    with Image.open(sparring.sample(run, 9, label="low", out=tmp_path / "x.png")) as image:  # type: ignore[arg-type]
        assert image.width > image.height  # both halves, side by side
    assert arrays["first"].dtype == np.int16 and arrays["second"].shape == (3, 8, 8, 1)


def test_the_command_line_trains_and_continues(quick: Cli, sources: tuple[Path, Path], tmp_path: Path) -> None:
    images = sources[1]  # images with themselves: they need no synthesis
    pair, flags = ("--pair", images, "--with", images, "--by", "label"), SMALL
    assert quick("train", *pair, *flags, "--images", 32, "--out", tmp_path / "run").returncode == 0
    assert quick("train", images, "--out", tmp_path / "run", "--images", 64).returncode == 0
    trained = sparring.Run(tmp_path / "run")
    assert (
        trained.settings["request"]["read"]["pair_with"] == str(images)
        and trained.checkpoints()[-1].name == "000000064"
    )
    assert trained.frames() and trained.report_path.exists()
    folder = sparring.sample(tmp_path / "run", 2, out=tmp_path / "made")
    assert {path.name for path in folder.iterdir()} == {"image_1", "image_2"}  # type: ignore[union-attr]


def test_inspect_shows_both_halves(quick: Cli, sources: tuple[Path, Path]) -> None:
    out = quick("inspect", sources[0], "--with", sources[1]).stdout
    assert "pair (joined by label)" in out and "audio       8,000 Hz" in out and "image       8x8" in out


def test_wrong_commands_name_the_way_out(quick: Cli, sources: tuple[Path, Path]) -> None:
    sounds, images = sources
    for args, message in (
        (("train", sounds, "--with", images, "--by", "x"), "--by is label or name, not x"),
        (("train", sounds, "--by", "label"), "--by label is for pairs: --with SOURCE names the other half"),
        (("train", sounds, "--with", "not-there"), "not-there"),
        (("train", sounds, "--with", images, "--recipe", "dcgan"), "dcgan is for image data"),
    ):
        result = quick(*args)
        assert result.returncode == 2 and message in result.stderr, result.stderr


@pytest.mark.slow
def test_a_page_says_whether_pairs_belong_together(run: Path) -> None:
    result = sparring.evaluate(run, n=60, features="raw")
    assert isinstance(result, Evaluation)
    kinds = {score.name: score for score in result.kind_scores}
    assert 0 <= kinds["agreement"].low <= kinds["agreement"].value <= kinds["agreement"].high <= 1
    assert kinds["agreement"].beside["real halves"] > 0.9 and kinds["agreement"].beside["shuffled"] < 0.6
    page = sparring.Run(run).report_path.read_text()
    assert "agreement" in page and "<audio" in page
