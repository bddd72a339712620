"""`train` as a function: what lies in the run folder, own networks, planning in minutes."""

from __future__ import annotations

import json
import shutil
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sparring
from sparring.commands.train import to_json as summary
from sparring.commands.training.interrupt import Stopped


def test_a_run_holds_all_that_the_layout_promises(run: sparring.Run) -> None:
    for name in ("run.json", "metrics.jsonl", "generator.safetensors", "generator.json", "film.webp"):
        assert (run.path / name).is_file(), name
    assert [p.name for p in run.checkpoints()][-1] == "000004800"
    frames = run.frames()
    assert frames[0].name == "000000000.png"
    assert frames[-1].name == "000004800.png"
    with Image.open(run.path / "film.webp") as film:
        assert 1 < film.n_frames <= len(frames)  # equal neighbours become one, shown longer
    assert not list(run.path.rglob("*.tmp"))


def test_run_json_tells_every_resolved_setting(run: sparring.Run) -> None:
    told = run.settings
    assert told["recipe"]["name"] == "r3"
    assert None not in told["recipe"]["settings"].values()
    assert told["plan"]["images"] == 4_800
    assert told["data"]["spec"]["count"] == 48
    assert told["request"]["seed"] == 0
    assert told["versions"]["sparring"] == sparring.__version__


def test_metrics_have_both_losses_and_the_distance_comes_down(run: sparring.Run) -> None:
    lines = run.metrics()
    assert any({"generator", "discriminator", "penalty"} <= line.keys() for line in lines)
    distance = summary(run)["sliced_wasserstein"]
    assert distance["first"]["nimg"] == 0
    assert distance["last"]["nimg"] == 4_800
    assert distance["last"]["value"] < distance["first"]["value"]


def test_a_finished_run_trained_again_is_left_as_it_is(run: sparring.Run, data: Path) -> None:
    def kept() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in [*run.path.rglob("*.safetensors"), run.path / "metrics.jsonl"]}

    before, written = kept(), run.report_path.stat().st_mtime_ns
    sparring.train(data, out=run.path)
    assert kept() == before
    assert run.report_path.stat().st_mtime_ns == written  # evaluate may have added scores


def test_a_finished_run_is_trained_longer_from_its_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = sparring.R3(width=4, discriminator_width=4, batch_size=8), tmp_path / "run"
    sparring.train(data, recipe, images=160, out=out, device="cpu")
    frames = [path.read_bytes() for path in sparring.Run(out).frames()]
    sparring.train(data, images=160, out=out, device="cpu")
    assert "finished: r3 on 48 images" in capsys.readouterr().err
    with pytest.raises(sparring.UsageError, match="planned for 160 examples: a run can be made longer, not shorter"):
        sparring.train(data, images=80, out=out, device="cpu")
    run = sparring.train(data, images=320, out=out, device="cpu")
    assert "its schedules are planned anew, from its weights, for 320 examples" in capsys.readouterr().err
    assert run.settings["plan"]["images"] == 320 == run.metrics()[-1]["nimg"] == int(run.checkpoints()[-1].name)
    assert [plan["images"] for plan in run.settings["earlier_plans"]] == [160]
    assert run.settings["request"]["images"] == 320 and run.best and (run.checkpoint_path("best")).exists()
    assert [path.read_bytes() for path in run.frames()][: len(frames)] == frames
    before = run.path.joinpath("generator.safetensors").read_bytes()
    sparring.train(data, out=out, device="cpu")  # repeated without a length: the last plan holds
    assert run.path.joinpath("generator.safetensors").read_bytes() == before


def test_minutes_beyond_a_finished_plan_add_to_it(data: Path, tmp_path: Path) -> None:
    recipe, out = sparring.R3(width=4, discriminator_width=4, batch_size=8), tmp_path / "run"
    sparring.train(data, recipe, images=80, out=out, device="cpu")
    run = sparring.train(data, minutes=0.05, out=out, device="cpu")
    assert run.settings["plan"]["images"] > 80 and run.settings["plan"]["minutes"] == 0.05


def test_training_images_lie_beside_the_samples_under_their_classes(run: sparring.Run) -> None:
    with Image.open(run.real_path) as real, Image.open(run.frames()[-1]) as samples:
        assert real.size == samples.size
        assert "Images of the data" in real.text["Description"]  # type: ignore[attr-defined]


def test_ctrl_c_during_the_diagnosis_names_what_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("sparring.commands.train"), "doctor", stopping)
    recipe = sparring.R3(width=4, discriminator_width=4, batch_size=8)
    with pytest.raises(Stopped, match=r"weights are kept in .*run\. Go on with the diagnosis by: sparring train"):
        sparring.train(data, recipe, images=16, out=tmp_path / "run", device="cpu")


class Flat(nn.Module):
    """A network of a user's own: one linear layer each way."""

    def __init__(self, inputs: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(inputs, int(np.prod(shape)))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.linear(x.flatten(1)).view(-1, *self.shape)
        return torch.tanh(out) if self.shape else out.squeeze(-1)


def own_nets(spec: sparring.ImageSpec) -> dict[str, nn.Module]:
    return {"generator": Flat(64, spec.shape), "discriminator": Flat(int(np.prod(spec.shape)), ())}


def test_networks_of_ones_own_train_and_sample(data: Path, tmp_path: Path) -> None:
    run = sparring.train(data, sparring.R3(batch_size=8), nets=own_nets, images=64, out=tmp_path / "own")
    spec = sparring.open(data).spec
    with pytest.raises(sparring.UsageError, match="custom networks"):
        sparring.sample(run.path)
    assert sparring.sample(run.path, 4, generator=own_nets(spec)["generator"]).exists()
    with pytest.raises(sparring.UsageError, match="networks of your own"):
        sparring.train(data, out=tmp_path / "own")


def test_minutes_become_a_plan_that_holds_and_is_kept(data: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    run = sparring.train(data, sparring.R3(width=8, batch_size=8), minutes=0.05, out=tmp_path / "run")
    took = time.monotonic() - start
    plan = run.settings["plan"]
    assert plan["minutes"] == 0.05
    assert plan["images"] % 8 == 0
    assert run.checkpoints()[-1].name == f"{plan['images']:09d}"
    assert took < 30  # three seconds of training; the rest is a loaded machine's


def test_accumulation_gives_the_run_of_the_whole_batch(data: Path, tmp_path: Path) -> None:
    whole = sparring.train(data, sparring.R3(width=8, batch_size=8), images=64, out=tmp_path / "a", precision="fp32")
    parts = sparring.train(
        data, sparring.R3(width=8, batch_size=8, accumulation_steps=4), images=64, out=tmp_path / "b", precision="fp32"
    )
    a, b = (sparring.load(run.path).generator.state_dict() for run in (whole, parts))
    for name in a:
        assert torch.allclose(a[name], b[name], atol=2e-3), name


def test_card_and_settings_are_json_without_code(run: sparring.Run) -> None:
    card = json.loads((run.path / "generator.json").read_text())
    assert card["recipe"] == "r3"
    assert card["nimg"] == 4_800
    assert card["spec"]["classes"] == ["0", "1", "2"]


def test_a_run_that_lost_its_checkpoints_is_not_begun_anew(data: Path, tmp_path: Path) -> None:
    run = sparring.train(data, sparring.R3(width=8, batch_size=8), images=64, out=tmp_path / "run")
    model = (run.path / "generator.safetensors").read_bytes()
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(sparring.SparringError, match="has metrics but no checkpoint"):
        sparring.train(data, out=run.path)
    assert (run.path / "generator.safetensors").read_bytes() == model


def test_hidden_labels_train_sample_and_go_on(data: Path, tmp_path: Path) -> None:
    """Two labels of each class are known: the others are completed, in both conditional ways there are."""
    for name, recipe in {"r3": sparring.R3(width=4), "s3gan": sparring.S3GAN(width=4, batch_size=16)}.items():
        run = sparring.train(data, recipe, images=64, out=tmp_path / name, label_fraction=0.1)
        told = run.settings
        assert told["request"]["label_fraction"] == 0.1 and told["data"]["spec"]["unlabelled"] > 0
        assert any("class_loss" in line for line in run.metrics())
        label = told["data"]["spec"]["classes"][0]
        assert sparring.sample(run.path, n=4, label=label, out=tmp_path / f"{name}.png").exists()
        sparring.train(data, out=run.path)  # goes on, and remembers
        with pytest.raises(sparring.UsageError, match=r"label_fraction is 0\.1 there, 0\.5 was requested"):
            sparring.train(data, out=run.path, label_fraction=0.5)


def test_classes_are_found_where_there_are_no_labels(data: Path, tmp_path: Path) -> None:
    recipe = sparring.S3GAN(width=4, batch_size=16, clusters=3)
    run = sparring.train(data, recipe, images=64, out=tmp_path / "run", label_fraction=0.0)
    assert run.settings["data"]["spec"]["classes"] == []
    assert sparring.sample(run.path, n=4, label="2").exists()
    with pytest.raises(sparring.UsageError, match="unknown label '3'"):
        sparring.sample(run.path, n=4, label="3")
    found = sparring.evaluate(run.path, data, n=48, features="raw")
    assert not any("/" in score.name for score in found.scores)  # clusters are not the data's classes


def test_one_class_alone_is_clustered(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "one.npz", x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.zeros(40, np.int64))
    recipe = sparring.S3GAN(width=4, batch_size=16, clusters=3)
    run = sparring.train(tmp_path / "one.npz", recipe, images=64, out=tmp_path / "run")
    assert sparring.load(run.path).counts == (1, 1, 1)
    assert sparring.sample(run.path, n=4, label="2").exists()
