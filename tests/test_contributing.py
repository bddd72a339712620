"""The worked examples of CONTRIBUTING.md, run word for word as modules outside of the package."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import sparring
from sparring.data.readers import READERS
from sparring.engine.data_spec import KINDS, spec_from_json, spec_to_json
from sparring.recipes import RECIPES, recipe_class

PAGE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
LINES = {"new-recipe": 12, "new-kind": 12}
"""Example -> lines of code it takes, at most: no imports, docstrings or empty lines."""
LENGTH = 16


def example(name: str) -> str:
    """Return the code below `<!-- test: NAME -->`."""
    blocks = re.findall(rf"<!-- test: {name} -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 1, f"{len(blocks)} examples are marked as {name}"
    return str(blocks[0])


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """`outside("new-kind")` imports an example from a folder of its own; its registrations end with the test."""
    tables = [(table, dict(table)) for table in (KINDS, READERS, RECIPES)]

    def module(name: str) -> ModuleType:
        (tmp_path / f"{name.replace('-', '_')}.py").write_text(example(name), encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        return importlib.import_module(name.replace("-", "_"))

    yield module
    for table, before in tables:
        table.clear()  # type: ignore[attr-defined]
        table.update(before)  # type: ignore[attr-defined]
    for name in LINES:
        sys.modules.pop(name.replace("-", "_"), None)


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """Sixty tracks of two classes: lines up and lines down."""
    rng = np.random.default_rng(0)
    for k in range(60):
        steps = np.linspace(0, 1, LENGTH)
        track = np.stack([steps, steps * (1 if k % 2 else -1)], 1) + 0.05 * rng.standard_normal((LENGTH, 2))
        path = tmp_path / "tracks" / ("up" if k % 2 else "down") / f"{k}.track"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, track)
    return tmp_path / "tracks"


@pytest.mark.parametrize("name", LINES)
def test_examples_are_short(name: str) -> None:
    comment = ("import ", "from ", '"')
    code = [line for line in example(name).splitlines() if line and not line.strip().startswith(comment)]
    assert len(code) <= LINES[name]


def test_a_recipe_from_outside_trains_and_samples(outside: Callable[[str], ModuleType], tmp_path: Path) -> None:
    module = outside("new-recipe")
    assert recipe_class("hinge_dcgan", "train", "image") is module.HingeDCGAN
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8))
    recipe = module.HingeDCGAN(width=4, latent_dim=6, batch_size=4)
    run = sparring.train(tmp_path / "x.npz", recipe, images=16, out=tmp_path / "run", device="cpu")
    assert run.settings["recipe"]["name"] == "hinge_dcgan"
    assert next(sparring.load(run.path).samples(3)).shape == (3, 8, 8, 1)


def test_a_recipe_from_outside_has_flags(outside: Callable[[str], ModuleType], quick: Callable[..., object]) -> None:
    outside("new-recipe")
    listed = quick("recipes", "--json")
    assert "hinge_dcgan" in json.dumps(listed.stdout)  # type: ignore[attr-defined]
    shown = quick("train", "--recipe", "hinge_dcgan", "--help")
    assert "--ema-half-life" in shown.stdout  # type: ignore[attr-defined]


def test_a_kind_from_outside_is_opened_like_others(outside: Callable[[str], ModuleType], tracks: Path) -> None:
    module = outside("new-kind")
    (tracks / "up" / "notes.txt").write_text("no track")
    data = sparring.open(tracks, sparring.ReadOptions(kind="track"))
    assert isinstance(data.spec, module.TrackSpec) and data.spec.shape == (2, LENGTH)
    assert data.report.splits == {"train": 54, "test": 6} and data.spec.classes == ("down", "up")
    assert sparring.open(tracks, sparring.ReadOptions(kind="track")).fingerprint == data.fingerprint
    assert spec_from_json(json.loads(json.dumps(spec_to_json(data.spec)))) == data.spec
    rows = data[np.arange(len(data))]
    x = data.spec.encode(rows)
    assert torch.allclose(x.mean((0, 2)), torch.zeros(2), atol=1e-5)  # the statistics are those of the training tracks
    np.testing.assert_allclose(data.spec.decode(x), rows, atol=1e-5)
    (batch,) = sparring.BatchLoader(data, 8).batches(0, 0)
    assert batch.x.shape == (8, 2, LENGTH) and batch.y.shape == (8,)
    report = sparring.inspect(tracks, kind="track")
    assert json.loads(json.dumps(asdict(report)))["kind"] == "track" and report.unit == "tracks"
    with pytest.raises(sparring.UsageError, match="--size is for images, and the source is read as tracks"):
        sparring.open(tracks, sparring.ReadOptions(kind="track", size=(8, 8)))


def test_a_kind_from_outside_is_classified_like_series(
    outside: Callable[[str], ModuleType], tracks: Path, quick: Callable[..., object], tmp_path: Path
) -> None:
    outside("new-kind")
    report = sparring.classify(tracks, kind="track", images=960, out=tmp_path / "run", device="cpu", precision="fp32")
    assert report.recipe == "series_cnn" and report.tested_on == "test tracks"
    done = quick("predict", "run", "tracks", "--json")
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    assert len(json.loads(done.stdout)["predictions"]) == 60, done  # type: ignore[attr-defined]
    robustness = sparring.attack(tmp_path / "run", tracks, count=4, eps=0.1, device="cpu", out=tmp_path / "attack")
    assert robustness.kind == "track" and robustness.clean.total == 4
