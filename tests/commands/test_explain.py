"""`sparring explain`: files, sentences, sliders, refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sparring
from sparring.commands.explaining import classifier as edits_of
from sparring.commands.explaining import generator
from sparring.nets.lda import LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features

Quick = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer samples: the figures of the tiny run mean nothing."""
    monkeypatch.setattr(generator, "FIT_SAMPLES", 200)
    monkeypatch.setattr(generator, "RANDOM_LATENTS", 10)
    monkeypatch.setattr(generator, "DIRECTIONS", 16)


@pytest.fixture
def own_run(run: sparring.Run, tmp_path: Path) -> Path:
    """A copy of the run, to write into."""
    return Path(shutil.copytree(run.path, tmp_path / "own"))


def test_the_command_writes_json_directions_and_a_page(own_run: Path, quick: Quick) -> None:
    done = quick("explain", own_run, "-n", 50, "--handles", 3, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    saved = json.loads((own_run / "explain.json").read_text())
    assert {**saved, "format": None} == {**result, "format": None}
    assert 0 <= result["rate"]["low"] <= result["rate"]["value"] <= result["rate"]["high"] <= 1
    assert len(result["handles"]) == len(load_file(own_run / "explain.safetensors")["directions"]) <= 3
    page = (own_run / "explain.html").read_text()
    for handle in result["handles"]:
        assert handle["sentence"] in page  # failed ones, too
    assert page.count("<img") == 3 * len(result["handles"])


def test_text_names_every_sentence_with_its_hit_rate(own_run: Path, quick: Quick) -> None:
    done = quick("explain", own_run, "-n", 50, "--finder", "sefa")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("changes no other reading by more than half as much") == 8
    assert "chance " in done.stdout
    assert "explain.html" in done.stdout


def test_sliders_are_read_back_as_they_were_measured(own_run: Path) -> None:
    result = sparring.explain(own_run, finder="means", n=50, seed=3)
    sliders = sparring.read_handles(own_run)
    assert [s.sentence for s in sliders] == [s.sentence for s in result.sliders]
    for read, measured in zip(sliders, result.sliders, strict=True):
        assert torch.equal(read.direction, measured.direction)
        assert read.rate == measured.rate
        assert read.direction.norm().item() == pytest.approx(1, abs=1e-5)
        assert read.step == pytest.approx(1, abs=0.35)
    again = sparring.explain(own_run, finder="means", n=50, seed=3)
    assert again.to_json() == result.to_json()
    length = result.path_length
    assert 0 < length.low <= length.value <= length.high
    assert f"length {length.value:.2f}" in result.to_text() and "Path length" in (own_run / "explain.html").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--finder", "sefaa"), "did you mean 'sefa'"),
        (("--handles", "9"), "--handles must be from 1 to 8"),
        (("-n", "10"), "-n must be from 50"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--checkpoint", "7"), "no checkpoint"),
    ],
)
def test_wrong_settings_are_refused(own_run: Path, quick: Quick, flags: tuple[str, ...], message: str) -> None:
    done = quick("explain", own_run, *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (own_run / "explain.json").exists()


def test_models_without_a_latent_are_refused(data: Path, tmp_path: Path, quick: Quick) -> None:
    recipe = sparring.MADERecipe(hidden=8, batch_size=8)
    density = sparring.train(data, recipe, images=64, out=tmp_path / "made", device="cpu")
    done = quick("explain", density.path)
    assert done.returncode == 2
    assert "without a latent vector" in done.stderr
    assert quick("explain", tmp_path / "nothing").returncode == 2


def test_handles_that_were_not_written_or_are_damaged(own_run: Path) -> None:
    with pytest.raises(sparring.UsageError, match="sparring explain"):
        sparring.read_handles(own_run)
    (own_run / "explain.json").write_text('{"format": 2, "handles": [{}]}')
    with pytest.raises(sparring.SparringError, match="damaged"):
        sparring.read_handles(own_run)


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """The files of an untrained classifier of 8x8 pictures, beside pictures with a test split."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (160, 8, 8), np.uint8), np.arange(160) % 3
    np.savez(tmp_path / "rows.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    spec = sparring.ImageSpec(8, 8, 1, ("a", "b", "c"), 80, mode="L")
    recipe = sparring.Consistent(width=4).resolve(spec, sparring.Hardware(torch.device("cpu"), bf16=False))
    torch.manual_seed(0)
    net = recipe.nets(spec)["classifier"].eval()
    with torch.no_grad():
        features, embeddings = ood_features(net, spec.encode(x[:30, ..., None]))
    memory = Memory(LDA.fit(features, torch.arange(3).repeat_interleave(10)), embeddings)
    about = {"custom_nets": False, "seed": 0, "data": "x"}
    model = sparring.Classifier(net, spec, recipe, spec.classes, 1.0, -1.0, memory, about)
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_classifier_is_explained_by_edits_of_test_examples(
    classifier: Path, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits_of, "RANDOM_EDITS", 12)
    data = classifier.parent / "rows.npz"
    done = quick("explain", classifier, "--data", data, "-n", 50, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["protocol"]["fresh examples"] == 40  # half of the test split
    assert "test split" in result["protocol"]["examples"]
    page = (classifier / "explain.html").read_text()
    for edit in result["edits"]:
        assert edit["sentence"] in page
        assert 0 <= edit["rate"]["low"] <= edit["rate"]["high"] <= 1
    with pytest.raises(sparring.UsageError, match="no handles"):
        sparring.read_handles(classifier)


def test_settings_of_the_other_kind_of_model_are_refused(classifier: Path, own_run: Path, quick: Quick) -> None:
    wrong = quick("explain", classifier, "--finder", "pca")
    assert wrong.returncode == 2
    assert "--finder, --handles and --device are for generators" in wrong.stderr
    assert quick("explain", classifier, "--device", "cpu").returncode == 2
    wrong = quick("explain", own_run, "--data", "digits")
    assert wrong.returncode == 2
    assert "--data is for classifiers" in wrong.stderr
