"""`sparring explain`: files, sentences, sliders, refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sparring
from sparring.commands.explaining import generator

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
