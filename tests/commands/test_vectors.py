"""Labels that are vectors, from a file to samples: trained, gone on with, asked for by numbers, evaluated."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sparring
from sparring.models.generator import kept_vectors

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 images of 8x8, as bright as the first number that they are told; the second means nothing."""
    rng = np.random.default_rng(0)
    y = rng.random((200, 2)) * [1, 1000]
    x = y[:, :1, None] * 200 + rng.integers(0, 40, (200, 8, 8))
    path = tmp_path_factory.mktemp("shades") / "shades.npz"
    np.savez(path, x=x.astype(np.uint8), y=y)
    return path


@pytest.fixture(scope="module")
def run(shades: Path) -> sparring.Run:
    recipe = sparring.R3(width=8, latent_dim=16, batch_size=16)
    return sparring.train(shades, recipe, images=3_200, out=shades.parent / "run", device="cpu")


def test_samples_are_what_they_are_told(run: sparring.Run) -> None:
    model = sparring.load(run.path)
    dark, middle, bright = (next(model.samples(32, label=(shade, 500.0))).mean() for shade in (0.1, 0.5, 0.9))
    assert dark + 40 < middle and middle + 40 < bright  # 80 in the data


def test_without_a_label_vectors_are_drawn_from_those_of_the_data(run: sparring.Run, shades: Path) -> None:
    model = sparring.load(run.path)
    _, y = model.draw_inputs(range(300), seed=0)
    known = np.load(shades)["y"]
    assert y.shape == (300, 2) and y.unique(dim=0).shape[0] > 100
    assert all((np.abs(row / known - 1) < 1e-5).all(1).any() for row in y.numpy())
    generator_metadata = json.loads((run.path / "generator.json").read_text())
    assert len(generator_metadata["vectors"]) == 200 and len(generator_metadata["spec"]["condition_stats"]) == 2


def test_a_model_keeps_a_few_vectors_to_six_digits() -> None:
    kept = kept_vectors(np.random.default_rng(0).random((1000, 3)).astype(np.float32))
    assert len(kept) == 256 and all(value == float(f"{value:.6g}") for row in kept for value in row)
    assert kept_vectors(None) == ()


def test_a_stopped_run_goes_on_to_the_same_bytes(run: sparring.Run, shades: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(run.path, again)
    last = max((again / "checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(last)
    sparring.train(shades, out=again, device="cpu")
    for name in (f"checkpoints/{last.name}/players.safetensors", "generator.safetensors", "generator.json"):
        assert (again / name).read_bytes() == (run.path / name).read_bytes(), name


def test_a_vector_is_asked_for_by_its_numbers(run: sparring.Run, quick: Cli, tmp_path: Path) -> None:
    done = quick("sample", run.path, "-n", 2, "--label=0.9,-5e2", "--out", tmp_path / "x.npz", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["label"] == "0.9,-5e2"
    for wrong in ("0.9", "0.9,1,2", "bright", "0.9,nan", ""):
        done = quick("sample", run.path, f"--label={wrong}")
        assert done.returncode == 2 and "vectors of 2 numbers: write, for example, 0.5,0.5" in done.stderr, wrong


def test_evaluation_knows_no_classes(run: sparring.Run, shades: Path) -> None:
    found = sparring.evaluate(run.path, shades, n=64, features="raw")
    assert found.scores and not any("/" in score.name for score in found.scores)


def test_labels_may_be_left_out(shades: Path, tmp_path: Path) -> None:
    recipe = sparring.R3(width=4, batch_size=16, labels=False)
    plain = sparring.train(shades, recipe, images=32, out=tmp_path / "plain", device="cpu")
    assert plain.settings["data"]["spec"]["condition_stats"] == []
    with pytest.raises(sparring.UsageError, match="without labels"):
        sparring.sample(plain.path, label="0.5,1")


@pytest.mark.parametrize("recipe", [sparring.S3GAN(width=4, batch_size=16, clusters=3), sparring.DCGAN(width=4)])
def test_a_recipe_of_classes_alone_trains_without(
    shades: Path, tmp_path: Path, recipe: object, capsys: pytest.CaptureFixture[str]
) -> None:
    sparring.train(shades, recipe, images=32, out=tmp_path / "run", device="cpu")  # type: ignore[arg-type]
    assert "the labels are vectors, which" in capsys.readouterr().err
    assert sparring.sample(tmp_path / "run", 4).exists()


def test_what_makes_no_sense_of_vectors_says_so(shades: Path, tmp_path: Path) -> None:
    with pytest.raises(sparring.UsageError, match=r"vectors of 2 numbers as labels.*--recipe r3, which takes vectors"):
        sparring.train(shades, "biggan", images=32, out=tmp_path / "run")
    with pytest.raises(sparring.UsageError, match="--label-fraction is for classes"):
        sparring.train(shades, images=32, out=tmp_path / "run", label_fraction=0.5)


def test_inspect_tells_them(shades: Path, quick: Cli) -> None:
    assert "labels      vectors of 2 numbers" in quick("inspect", shades).stdout
