"""Commands that take a model of the hub in the place of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from local_server import COMMIT, hub_files, serving

import sparring
from sparring.engine.errors import UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def only_models(run: Path, to: Path) -> Path:
    """What is shared of a run: its saved models."""
    to.mkdir()
    for path in [*run.glob("*.safetensors"), *run.glob("generator.json"), *run.glob("classifier.json")]:
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_a_generator(run: sparring.Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"hf:ann/cats@{COMMIT}"
    with serving(hub_files(only_models(run.path, tmp_path / "shared"))) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(UsageError, match="--data SOURCE is needed"):
            sparring.evaluate(address)
        ours = sparring.evaluate(address, data, n=16, split="train", report="page.html")
        theirs = sparring.evaluate(run.path, data, n=16, split="train", report="other.html")
        assert [score.value for score in ours.scores] == [score.value for score in theirs.scores]
        assert ours.protocol["samples"]["source"] == address and Path("page.html").exists()
        with pytest.raises(UsageError, match=r"is no run folder, it has no run\.json"):
            sparring.doctor(address)


def test_a_classifier(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = sparring.Consistent(width=4, batch_size=8)
    trained = sparring.classify(data, recipe=recipe, images=960, out=tmp_path / "run", device="cpu").run
    with serving(hub_files(only_models(Path(trained), tmp_path / "shared"))) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        answers = sparring.predict("hf:ann/cats", data)
        assert answers.predictions == sparring.predict(trained, data).predictions
        sparring.encode("hf:ann/cats", data, out="features.npy")
        assert np.load("features.npy").shape[0] == 60
        sparring.attack("hf:ann/cats", data, eps=0.1, count=3)
        assert Path("runs/ann-cats/attack/report.json").exists()
        with pytest.raises(UsageError, match="--data SOURCE is needed"):
            sparring.explain("hf:ann/cats")
