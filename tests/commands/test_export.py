"""`sparring export`: files that equal PyTorch, and clear messages where there can be none."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sparring
from sparring.commands.export import Exported
from sparring.commands.exporting.portable import load_portable
from sparring.engine.errors import UsageError
from sparring.recipes import recipe_class

Cli = Any


@pytest.fixture(scope="session")
def classifier(data: Path) -> Path:
    """A classifier of the three classes, trained for seconds."""
    recipe = sparring.Consistent(width=4, batch_size=8)
    return Path(sparring.classify(data, recipe, images=240, out=data.parent / "classifier", device="cpu").run)


@pytest.mark.slow
def test_an_onnx_file_is_one_file_with_a_dynamic_batch(run: sparring.Run, tmp_path: Path) -> None:
    onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    done = sparring.export(run.path, "onnx", out=tmp_path / "g.onnx")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["g.onnx"] and done.size > 1000
    session = onnxruntime.InferenceSession(done.path, providers=["CPUExecutionProvider"])
    model = sparring.load(run.path)
    for count in (1, 5, 40):
        z, y = model.draw_inputs(range(count), 3)
        [pixels] = session.run(None, {"latent": z.numpy(), "label": y.numpy()})
        want = (model.generate(z, y) / 2 + 0.5).numpy()
        np.testing.assert_allclose(pixels, want, atol=1e-5)
    facts = {prop.key: prop.value for prop in onnx.load(done.path).metadata_props}
    assert facts["run"] == "run" and facts["recipe"] == "r3" and json.loads(facts["classes"]) == ["0", "1", "2"]
    assert "[0, 1]" in json.loads(facts["outputs"])["pixels"]["about"]


def test_a_torch_program_needs_no_code_of_sparring(run: sparring.Run, tmp_path: Path) -> None:
    path = sparring.export(run.path, "torch", out=tmp_path / "g.pt2").path
    extra = {"sparring.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    portable = load_portable(run.path)
    for count in (1, 5, 40):
        inputs = portable.examples(count, seed=9)
        assert torch.allclose(program(*inputs), portable.outputs(inputs), atol=1e-6)
    assert json.loads(extra["sparring.json"])["inputs"]["latent"]["shape"] == ["batch", 64]


def test_a_checkpoint_is_exported_under_its_name(run: sparring.Run, classifier: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(run.path, tmp_path / "run")
    done = sparring.export(copied, "torch", checkpoint="last", raw=True)
    assert isinstance(done, Exported) and done.path.name == "generator-last-raw.pt2"
    raw, saved = load_portable(copied, checkpoint="last", raw=True), load_portable(copied)
    inputs = raw.examples(3)
    program = torch.export.load(done.path).module()
    assert torch.allclose(program(*inputs), raw.outputs(inputs), atol=1e-6)
    assert not torch.allclose(raw.outputs(inputs), saved.outputs(inputs), atol=1e-3)
    for path, to, words in (
        (classifier, "torch", "options of generators"),
        (copied, "hub", "hub gets the saved model"),
    ):
        with pytest.raises(UsageError, match=words):
            sparring.export(path, to, raw=True, out=tmp_path / "new")


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "torch"])
def test_an_exported_classifier_can_be_attacked(
    classifier: Path, data: Path, to: str, quick: Cli, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    path = sparring.export(classifier, to, out=tmp_path / {"onnx": "c.onnx", "torch": "c.pt2"}[to]).path
    arguments = ("--eps", 0.1, "--count", 4, "--json", "--out", tmp_path / "attack", "--device", "cpu")
    mine, own = (quick("attack", model, data, *arguments) for model in (path, classifier))
    assert mine.returncode == own.returncode == 0, mine.stderr
    counts = [json.loads(done.stdout)["clean"] for done in (mine, own)]
    assert counts[0] == counts[1]


def test_a_differing_file_is_not_written(
    run: sparring.Run, tmp_path: Path, quick: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparring.commands.exporting.parity.TOLERANCE", -1.0)
    for to, name in (("torch", "g.pt2"), ("onnx", "g.onnx")):
        done = quick("export", run.path, "--to", to, "--out", tmp_path / "new" / name)
        assert done.returncode == 1 and "differs from PyTorch" in done.stderr
    monkeypatch.setattr("sparring.commands.exporting.html._difference", lambda *_, **__: float("nan"))
    done = quick("export", run.path, "--out", tmp_path / "new" / "g.html")
    assert done.returncode == 1 and "nothing was written" in done.stderr
    assert not list((tmp_path / "new").iterdir())


def test_bad_input(run: sparring.Run, words: Path, tmp_path: Path, quick: Cli) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "here.html").write_text("mine")
    for arguments, message in [
        ((tmp_path / "none",), "there is no .*give a run folder"),
        ((tmp_path / "empty",), "no run folder"),
        ((run.path, "--to", "onxn"), "did you mean 'onnx'"),
        ((run.path, "--out", tmp_path / "here.html"), "exists already.*another --out"),
        ((run.path, "--out", tmp_path / "g.onnx"), "files named \\*.html"),
    ]:
        done = quick("export", *arguments)
        assert done.returncode == 2 and not done.stdout
        assert re.search(message, done.stderr), done.stderr
    assert (tmp_path / "here.html").read_text() == "mine"


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(
    run: sparring.Run, missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(sparring.UsageError, match=rf"{missing}, which is missing: pip install 'sparring\[export\]'"):
        sparring.export(run.path, "onnx", out=tmp_path / "g.onnx")
    assert not list(tmp_path.glob("*g.onnx*"))


@pytest.mark.slow
def test_models_that_are_no_function_of_pixels_are_refused(tmp_path: Path, data: Path, words: Path) -> None:
    recipe = recipe_class("pixelcnn")(width=4, batch_size=8)
    density = sparring.train(data, recipe, images=16, out=tmp_path / "density", device="cpu")
    with pytest.raises(sparring.UsageError, match="pixelcnn is a density model, which samples step by step"):
        sparring.export(density.path)
    classifier = sparring.classify(words, images=60, out=tmp_path / "words", device="cpu")
    with pytest.raises(sparring.UsageError, match="the model is of recordings: generators and classifiers of images"):
        sparring.export(classifier.run, "onnx")
