"""`sparring harden` on small images: what it writes and tells, stops and goes on, guards, and refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sparring
from sparring.commands import harden as command
from sparring.commands.predict import predict
from sparring.commands.training import guards
from sparring.commands.training.interrupt import Stopped
from sparring.engine.data_spec import ImageSpec
from sparring.engine.run_folder import Run
from sparring.games.overfitting_guard import OverfittingGuard
from sparring.measure.classifier import robustness
from sparring.measure.classifier.robustness import HardeningReport
from sparring.models.classifier import load_classifier
from sparring.recipes import recipe_class, recipes_for
from sparring.recipes.adversarial.base import pixel_threat
from sparring.recipes.adversarial.fast import Fast

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = Fast(width=4, batch_size=8, eps=0.05)


@pytest.fixture(autouse=True)
def _short_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "STEPS", 5)
    monkeypatch.setattr(robustness, "RESTARTS", 1)


@pytest.fixture(scope="module")
def hardened(data: Path) -> HardeningReport:
    return sparring.harden(data, SMALL, images=2_400, out=data.parent / "hardened", device="cpu")


def test_it_learns_and_withstands(hardened: HardeningReport) -> None:
    assert hardened.clean.errors.total == 12 and hardened.clean.tested_on == "test images"
    assert hardened.robust.eps == pytest.approx(0.05) and hardened.robust.accuracy.hits >= 10
    assert (hardened.method, hardened.norm, hardened.eps) == ("fast", "Linf", 0.05)
    assert [level.eps for level in hardened.curve] == pytest.approx([0.05 * k / 4 for k in range(7)])
    counts = [level.accuracy.hits for level in hardened.curve]
    assert counts == sorted(counts, reverse=True)


def test_what_lies_in_the_run(hardened: HardeningReport) -> None:
    run = Run(hardened.run)
    told = json.loads((run.path / "hardening.json").read_text())
    assert told["robust"]["accuracy"]["hits"] == hardened.robust.accuracy.hits and len(told["curve"]) == 7
    assert told["clean"]["errors"]["total"] == 12 and told["rollbacks"] == []
    page = run.report_path.read_text()
    assert "Robustness" in page and "Confusion" in page and "Robust accuracy" in page
    assert any("guarded" in line for line in run.metrics()) and any("robust" in line for line in run.metrics())
    assert run.settings["recipe"]["name"] == "fast"
    assert sparring.doctor(run.path)


def test_it_can_be_asked_like_any_classifier(hardened: HardeningReport, data: Path) -> None:
    found = predict(hardened.run, data)
    assert {one.label for one in found.predictions} >= {"0", "1", "2"}
    classifier = load_classifier(hardened.run)
    x = torch.rand(3, 1, 8, 8) * 2 - 1
    assert classifier.logits(x).shape == (3, 3)
    classifier.remember(np.zeros((8, 8), np.uint8), "nothing")
    assert classifier.predict(np.zeros((8, 8), np.uint8))[0].label == "nothing"


def test_the_figures_are_those_of_the_saved_classifier(hardened: HardeningReport, data: Path) -> None:
    test = sparring.open(data).split("test")
    classifier = load_classifier(hardened.run)
    right = sum(
        answer == str(label)
        for answer, label in zip(
            (classifier.classes[k] for k in classifier.predict(test[np.arange(12)]).probabilities.argmax(1)),
            test.labels,
            strict=True,
        )
    )
    assert right == hardened.clean.errors.complement.hits == hardened.curve[0].accuracy.hits


def weights(path: str | Path) -> bytes:
    return (Path(path) / "classifier.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes_for("harden"))
def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "MIN_CHECK_DISTANCE", 40)
    few = {"steps": 3} if name in ("pgd", "trades") else {}
    recipe = recipe_class(name)(width=4, batch_size=8, eps=0.1, guard=True, ema_half_life=0.05, **few)  # type: ignore[arg-type]
    whole = sparring.harden(data, recipe, images=240, out=tmp_path / "whole", device="cpu")
    seen = OverfittingGuard.check
    looks: list[int] = []

    def look(guard: OverfittingGuard, system: sparring.System) -> tuple[float, bool]:
        looks.append(1)
        if len(looks) == 3:
            signal.raise_signal(signal.SIGINT)
        return seen(guard, system)

    monkeypatch.setattr(OverfittingGuard, "check", look)
    with pytest.raises(Stopped, match=r"sparring harden .*--out"):
        sparring.harden(data, recipe, images=240, out=tmp_path / "stopped", device="cpu")
    again = sparring.harden(data, out=tmp_path / "stopped", device="cpu")
    assert weights(whole.run) == weights(again.run)
    last = [
        next((Path(run) / "checkpoints").glob("000000240")) / "players.safetensors" for run in (whole.run, again.run)
    ]
    assert last[0].read_bytes() == last[1].read_bytes()
    assert whole.curve == again.curve


@pytest.mark.slow
def test_a_collapse_is_taken_back_and_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guards, "MIN_CHECK_DISTANCE", 200)
    seen, looks = OverfittingGuard.check, list[int]()

    def look(guard: OverfittingGuard, system: sparring.System) -> tuple[float, bool]:
        looks.append(1)
        if len(looks) == 12:
            for p in system.game.players["classifier"].parameters():
                p.data.zero_()
        return seen(guard, system)

    monkeypatch.setattr(OverfittingGuard, "check", look)
    found = sparring.harden(data, SMALL, images=3_200, out=tmp_path / "run", device="cpu")
    assert found.rollbacks == [11 * 200]
    assert "catastrophic overfitting" in capsys.readouterr().err
    assert found.robust.accuracy.hits >= 8
    assert "earlier weights were restored, at image 2,200" in Run(found.run).report_path.read_text()
    assert "went back to better weights once" in command.to_text(found)


def test_a_training_at_chance_is_restarted_and_one_that_learns_nothing_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guards, "MIN_CHECK_DISTANCE", 80)
    stubborn = Fast(width=4, batch_size=8, eps=0.05, lr=1e-12)
    report = sparring.harden(data, stubborn, images=800, out=tmp_path / "run", device="cpu")
    assert report.restarts == [80, 240] and "image 80: nothing was learnt" in capsys.readouterr().err
    assert "this classifier has learnt nothing" in report.verdict and "restarted the training 2 times" in (
        text := command.to_text(report)
    )
    assert report.verdict in text
    page = Run(report.run).report_path.read_text()
    assert "has learnt nothing" in page and "began anew" in page and "80, 240" in page


class Mine(nn.Module):
    """Logits, and nothing else."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        self.last = nn.Linear(spec.height * spec.width * spec.channels, len(spec.classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(x.flatten(1))
        return logits


def test_a_network_of_ones_own(data: Path, tmp_path: Path) -> None:
    def nets(spec: ImageSpec) -> Mapping[str, nn.Module]:
        return {"classifier": Mine(spec)}

    found = sparring.harden(data, SMALL, images=2_000, out=tmp_path / "run", nets=nets, device="cpu")
    assert found.robust.accuracy.hits >= 8
    with pytest.raises(sparring.UsageError, match="needs the classifier"):
        load_classifier(found.run)
    mine = Mine(sparring.open(data).spec)
    classifier = load_classifier(found.run, mine)
    x = torch.rand(3, 1, 8, 8) * 2 - 1
    torch.testing.assert_close(classifier.logits(x), mine(x) / classifier.temperature)
    assert predict(found.run, data, net=Mine(sparring.open(data).spec)).predictions
    with pytest.raises(sparring.UsageError, match="networks of your own"):
        sparring.harden(data, out=tmp_path / "run", device="cpu")


def test_only_some_labels(tmp_path: Path) -> None:
    """Those images alone are trained on; and without test images the figures are of training images, which is told."""
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    draw = np.random.default_rng(0)
    from PIL import Image

    for k in range(12):
        pixels = draw.integers(0, 60, (8, 8), np.uint8) + np.uint8(180 * (k % 2))
        folder = "photos" if k >= 8 else f"photos/{'ab'[k % 2]}"
        Image.fromarray(pixels).save(tmp_path / folder / f"{k}.png")
    found = sparring.harden(tmp_path / "photos", SMALL, images=800, out=tmp_path / "run", device="cpu")
    assert "training uses the labelled images alone" in found.notes
    assert found.tested_on == "training images" and found.robust.accuracy.total == 8
    assert any("no test images" in note for note in found.notes)


def test_eps_goes_before_the_settings_and_zero_is_ordinary_training(data: Path, tmp_path: Path) -> None:
    found = sparring.harden(data, SMALL, eps=0.0, images=400, out=tmp_path / "run", device="cpu")
    assert found.eps == 0.0 and found.robust.eps == 0.3  # tried at what is usual
    with pytest.raises(sparring.UsageError, match=r"eps is 0\.0 there, 0\.1 was requested"):
        sparring.harden(data, eps=0.1, out=tmp_path / "run", device="cpu")
    with pytest.raises(sparring.UsageError, match="recipe is fast there, pgd was requested"):
        sparring.harden(data, "pgd", out=tmp_path / "run", device="cpu")


def test_own_loop(data: Path) -> None:
    """The bare objects, in a loop of one's own: three lines."""
    from sparring.games.adversarial_training import AdversarialTraining, Ascent

    images = sparring.open(data)
    net = Mine(images.spec)
    game = AdversarialTraining(net, pixel_threat("Linf", 0.05), attack=Ascent(1, 1.25))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for k in range(60):
        (batch,) = sparring.BatchLoader(images, 16).batches(16 * k, 0)
        loss, _ = game.loss("classifier", batch, 0.0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_the_command_line_on_digits(quick: Cli) -> None:
    pytest.importorskip("sklearn")
    words = ("harden", "digits", "--eps", "1/10", "--images", 8_000, "--out", "run", "--device", "cpu")
    done = quick(*words, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["method"] == "fast" and told["eps"] == 0.1
    assert told["clean"]["errors"]["value"] < 0.5
    assert told["robust"]["accuracy"]["value"] > 0.2
    done = quick(*words)  # it is done already, and tells the same
    assert re.search(r"robust +\d\d\.\d\d% .* of 297 test images, Linf 0\.1: PGD", done.stdout), done.stdout
    assert f"{told['robust']['accuracy']['hits']} of 297" in done.stdout
    assert quick("predict", "run", "digits").returncode == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["rows.npz", "--eps", "8"], ["--eps 8 is beyond the whole box", "by 255, 8/255 is"]),
        (["rows.npz", "--eps", "-1"], ["--eps must be 0 or more"]),
        (["rows.npz", "--method", "fsat"], ["unknown recipe 'fsat'", "did you mean 'fast'?"]),
        (["rows.npz", "--method", "r3"], ["r3 trains a generator", "sparring train"]),
        (["rows.npz", "--norm", "L7"], ["unknown norm 'L7'", "Linf"]),
        (["rows.npz", "--norm", "L2", "--eps", "9"], ["beyond the whole box", "8 across in L2"]),
        (["rows.npz", "--net", "resnet"], ["unknown net 'resnet'"]),
        (["rows.npz", "--beta", "1"], ["--beta"]),
        (["plain.npz"], ["plain.npz has no labels"]),
        (["one.npz"], ["the labels name only one class"]),
        (["vectors.npz"], ["vectors of numbers"]),
        (["rows.npz", "--images", "9", "--minutes", "1"], ["--minutes and --images"]),
    ],
)
def test_bad_input(args: list[str], words: list[str], data: Path, tmp_path: Path, quick: Cli) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    np.savez(tmp_path / "plain.npz", x=x)
    np.savez(tmp_path / "one.npz", x=x, y=np.zeros(20, np.int64))
    np.savez(tmp_path / "vectors.npz", x=x, y=np.random.default_rng(1).random((20, 3)))
    (tmp_path / "rows.npz").write_bytes(data.read_bytes())
    done = quick("harden", *args)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_runs_of_other_commands_are_not_mistaken(
    hardened: HardeningReport, run: sparring.Run, data: Path, quick: Cli
) -> None:
    for args, words in (
        (["harden", data, "--out", run.path], "is a run of `sparring train` (r3), not of `sparring harden`"),
        (["classify", data, "--out", hardened.run], "is a run of `sparring harden` (fast)"),
        (["train", data, "--out", hardened.run], "is a run of `sparring harden` (fast)"),
        (["train", data, "--recipe", "fast"], "sparring harden SOURCE --method fast"),
        (["sample", hardened.run], "holds a classifier, which cannot generate samples"),
    ):
        done = quick(*args)
        assert done.returncode == 2 and words in done.stderr, (args, done.stderr)


def test_recipes_lists_them(quick: Cli) -> None:
    assert all(f"  {name}" in quick("recipes").stdout for name in recipes_for("harden"))
