"""`sparring attack` on small images: every kind of model, what is written, goes on, compares, and refuses."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sparring
from sparring.attacks.norms import Norm
from sparring.attacks.result import AttackFunction, Result
from sparring.attacks.square import square
from sparring.commands.attacking.load_target import load_target
from sparring.commands.attacking.resumable import ResumableParts
from sparring.commands.attacking.suites import image as suite
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import UsageError
from sparring.recipes.adversarial.fast import Fast
from sparring.report.attack_report import AttackReport

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
MODULE = """
import torch
from torch import nn

class Brightest(nn.Module):  # class k is bright in row k
    def forward(self, x):
        return 10 * x[:, 0, :3].mean(2)

net = Brightest()
def function(x): return net(x)
def factory(): return Brightest()
def probabilities(x): return net(x).softmax(1)
def seven(x): return net(x).repeat(1, 3)[:, :7]
def closed(x): return net(x.detach())
def noisy(x): return net(x + 0.05 * torch.randn_like(x))
def few_only(x):
    if len(x) > 3: raise MemoryError("no room for so many")
    return net(x)
def only_rgb(x): return nn.functional.conv2d(x, torch.zeros(1, 3, 3, 3))
def as_numpy(x): return net(x).detach().numpy()
def in_place(x): return net(x.clamp_(0.2, 0.8))
def leaves(): raise SystemExit(7)
def no_weights(): return nn.Linear(2, 2, device="meta")
class Weighed(nn.Linear):  # Brightest by weights
    def __init__(self): super().__init__(64, 3); self.start()
    def start(self):
        with torch.no_grad():
            self.bias.zero_(); self.weight.copy_(torch.eye(8)[:3, :, None].repeat(1, 1, 8).flatten(1) * 1.25)
    def forward(self, x): return super().forward(x.flatten(1))
double, brain = Weighed().double(), Weighed().bfloat16()
def function_in_double(x): return double(x)
def logits_in_double(x): return net(x).double()
def logits_in_half(x): return net(x).bfloat16()
def prints(x): print("a stranger's words"); return net(x)
def shuffled(x): return net(x)[:, [1, 0, 2]]
def rotated(x): return net(x)[:, [2, 0, 1]]
def batch(x): return net(x - x.mean((0, 2, 3)) + 0.2) + 5 * (x.mean(0) - 0.15).abs().amax()  * torch.tensor([1., 0, 0])
def untrained(): torch.manual_seed(0); return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
weighed = Weighed()
def stripes(x):
    assert x.shape[2:] == (150, 170), tuple(x.shape)
    rows = x.mean((1, 3))
    return 10 * torch.stack([rows[:, ::2].mean(1), rows[:, 1::2].mean(1)], 1)
nothing = 7
"""


class Brightest(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 10 * x[:, 0, :3].mean(2)


@pytest.fixture(autouse=True)
def _short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("sparring.attacks.autoattack"), "square", partial(square, steps=100))


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """`module:NAME` of a module of this test's own."""
    module = f"own_{tmp_path.name.replace('-', '_').replace('.', '_')}"
    (tmp_path / f"{module}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name: f"{module}:{name}"


def attacked(model: str | Path, data: Path, **how: object) -> AttackReport:
    return sparring.attack(model, data, eps=0.05, device="cpu", **how)  # type: ignore[arg-type]


def test_from_the_command_line(named: Callable[[str], str], data: Path, quick: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = quick("attack", named("net"), data, "--eps", "80/255", "--out", out, "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["kind"], report["selection"]) == ("image", "12 test images")
    assert report["clean"]["hits"] == report["clean"]["total"] == 12
    assert report["settings"]["eps"] == pytest.approx(80 / 255)
    assert sum(report["per_attack"].values()) == 12 - report["robust"]["hits"]
    assert sum(level["hits"] for level in report["by_class"].values()) == report["robust"]["hits"]
    written = json.loads((out / "report.json").read_text())
    assert written.pop("files") == ["samples.csv", "report.html"] and written == report
    assert not (out / "parts").exists()
    lines = list(csv.DictReader((out / "samples.csv").read_text().splitlines()))
    assert len(lines) == 12 and sum(line["broken_by"] == "" for line in lines) == report["robust"]["hits"]
    page = (out / "report.html").read_text()
    assert "Robustness" in page and "Accuracy under attack" in page and "left unbroken" in page


def test_words_name_all_that_matters(named: Callable[[str], str], data: Path, quick: Cli) -> None:
    done = quick("attack", named("net"), data, "--eps", "0.05", "--count", "6")
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("clean ", "robust ", "broken ", "check ", "report "))
    assert "of 6 test images" in done.stdout


@pytest.mark.parametrize("name", ["function", "factory", "Brightest"])
def test_what_a_module_may_name(name: str, named: Callable[[str], str], data: Path) -> None:
    assert attacked(named(name), data, count=4).clean.value == 1


def test_the_curve_falls_and_agrees_with_the_verdict(named: Callable[[str], str], data: Path) -> None:
    found = sparring.attack(named("net"), data, eps=0.3, device="cpu")
    shares = [level.accuracy.value for level in found.curve]
    assert shares == sorted(shares, reverse=True) and found.curve[0].accuracy.value == found.clean.value
    assert next(one.accuracy.value for one in found.curve if one.eps == pytest.approx(0.3)) == found.robust.value


def test_a_run_of_ours(data: Path, tmp_path: Path) -> None:
    run = sparring.harden(
        data, Fast(width=4, batch_size=8, eps=0.05), images=1_200, out=tmp_path / "run", device="cpu"
    ).run
    found = attacked(run, data, count=8)
    assert found.out == str(Path(run) / "attack") and (Path(found.out) / "report.html").exists()
    assert found.robust.value <= found.clean.value and found.robust.low <= found.robust.value <= found.robust.high
    with pytest.raises(UsageError, match="--box is for models of other tools"):
        attacked(run, data, box=(-1, 1))


def test_files_of_torch(data: Path, tmp_path: Path) -> None:
    torch.jit.trace(Brightest(), torch.zeros(2, 1, 8, 8)).save(tmp_path / "net.pt")  # type: ignore[no-untyped-call]
    batch = torch.export.Dim("batch", min=1, max=4096)
    exported = torch.export.export(Brightest(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, tmp_path / "net.pt2")
    own = [attacked(tmp_path / name, data, count=6, out=tmp_path / name[-3:]) for name in ("net.pt", "net.pt2")]
    assert own[0].clean.value == own[1].clean.value == 1
    assert own[0].robust.value == own[1].robust.value
    assert not any("training mode" in note for note in own[1].notes)  # an exported program has no modes


test_files_of_torch = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")(test_files_of_torch)


class Stepped(nn.Module):
    """Makes a tensor of its own in each pass."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3] + torch.arange(3)


def test_an_exported_program_moves_with_what_it_makes(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Stepped(), (torch.zeros(2, 1, 8, 8),)), tmp_path / "net.pt2")
    there = load_target(tmp_path / "net.pt2", torch.device("meta")).model(torch.zeros(2, 1, 8, 8, device="meta"))
    assert there.device.type == "meta"


@pytest.mark.parametrize("precision", ["FLOAT", "DOUBLE"])
def test_onnx_is_attacked_without_gradients_and_that_is_said(precision: str, data: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, f = onnx.helper, getattr(onnx.TensorProto, precision)
    rows = onnx.numpy_helper.from_array(
        np.eye(64, 3 * 8, dtype={"FLOAT": np.float32, "DOUBLE": np.float64}[precision]).reshape(64, 3, 8).mean(2),
        "rows",
    )
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "rows"], ["logits"])]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", f, ["B", 1, 8, 8])], [value("logits", f, ["B", 3])], initializer=[rows]
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "net.onnx")
    found = sparring.attack(tmp_path / "net.onnx", data, eps=0.3, count=4, device="cpu", out=tmp_path / "o")
    assert found.settings["version"] == "square" and found.clean.value == 1 and list(found.per_attack) == ["square"]
    assert found.details.gradients == 0 and found.curve == [] and "no gradients" in found.notes[precision == "DOUBLE"]
    with pytest.raises(UsageError, match="--version standard"):
        attacked(tmp_path / "net.onnx", data, version="standard")


def test_a_model_that_draws_is_scored_by_its_chances(named: Callable[[str], str], data: Path) -> None:
    found = sparring.attack(named("noisy"), data, eps=0.25, count=6, device="cpu")
    assert found.settings["version"] == "rand" and found.details.draws == 100 and found.curve == []
    assert 0 <= found.robust.low <= found.robust.value <= found.robust.high <= 1


def test_an_interrupted_evaluation_goes_on(
    named: Callable[[str], str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(suite.CHUNK_IMAGES, "cpu", 5)
    whole = attacked(named("net"), data, out=tmp_path / "whole")
    honest, calls = suite.autoattack, []

    def stopping(*args: object, **how: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return honest(*args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(suite, "autoattack", stopping)
    with pytest.raises(Stopped, match=r"after 10 of 12 images.*same command"):
        attacked(named("net"), data, out=tmp_path / "again")
    again = attacked(named("net"), data, out=tmp_path / "again")
    assert len(calls) == 4
    assert (again.robust, again.per_attack, again.details) == (whole.robust, whole.per_attack, whole.details)


def test_of_an_interrupted_chunk_whole_attacks_are_kept(
    named: Callable[[str], str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = attacked(named("net"), data, out=tmp_path / "whole")
    module: Any = import_module("sparring.attacks.autoattack")
    ensemble, ran = module.ensemble, list[str]()

    def logged(version: str, norm: Norm) -> dict[str, AttackFunction]:
        def run(name: str, attack: AttackFunction, *args: Any, **settings: Any) -> Result:
            ran.append(name)
            if ran.count("square") == 1 and name == "square":
                raise KeyboardInterrupt
            return attack(*args, **settings)

        return {name: partial(run, name, attack) for name, attack in ensemble(version, norm).items()}

    monkeypatch.setattr(module, "ensemble", logged)
    with pytest.raises(Stopped, match=r"after 0 of 12 images; the attacks that were finished are kept in .*parts"):
        attacked(named("net"), data, out=tmp_path / "again")
    again = attacked(named("net"), data, out=tmp_path / "again")
    assert ran == ["apgd-ce", "apgd-t", "fab-t", "square", "square"]
    assert (again.robust, again.per_attack, again.details) == (whole.robust, whole.per_attack, whole.details)


def test_a_search_in_bf16_says_so_and_its_verdicts_are_the_models_own(
    named: Callable[[str], str], data: Path, tmp_path: Path
) -> None:
    fine = attacked(named("net"), data, out=tmp_path / "a")
    coarse = attacked(named("net"), data, out=tmp_path / "b", precision="bf16")
    assert any("bf16" in note for note in coarse.notes) and not any("bf16" in note for note in fine.notes)
    assert abs(coarse.robust.value - fine.robust.value) <= 1 / fine.clean.total and coarse.details.queries > 0
    with pytest.raises(UsageError, match="unknown precision 'fp16'"):
        attacked(named("net"), data, precision="fp16")


def test_who_stops_the_doctor_is_told_that_the_verdicts_are_kept(
    named: Callable[[str], str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(suite, "summarize", stopping)
        with pytest.raises(Stopped, match=r"kept in .*parts: the same command goes on"):
            attacked(named("net"), data, count=6, out=tmp_path / "out")
    monkeypatch.setattr(suite, "autoattack", stopping)  # it is not asked again
    assert attacked(named("net"), data, count=6, out=tmp_path / "out").clean.total == 6


def test_other_pixels_or_labels_of_the_same_names_are_attacked_anew(
    named: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    monkeypatch.setattr(
        ResumableParts,
        "begin",
        lambda kind, folder, settings: begun.append(settings["data"]) or ResumableParts(kind, folder, settings),
    )
    x = np.random.default_rng(0).integers(0, 255, (6, 8, 8), np.uint8)
    for pixels, labels in ((x, [0, 1, 2] * 2), (x, [1, 0, 2] * 2), (255 - x, [0, 1, 2] * 2)):
        np.savez(tmp_path / "same.npz", x=pixels, y=labels)
        with suppress(UsageError):  # right on none of them, maybe
            attacked(named("net"), tmp_path / "same.npz", out=tmp_path / "out")
    assert len(set(begun)) == 3


def test_in_the_users_own_ci(named: Callable[[str], str], data: Path, quick: Cli, tmp_path: Path) -> None:
    good = attacked(named("net"), data, out=tmp_path / "good")
    baseline = Path(good.out) / "report.json"
    done = quick("attack", named("net"), data, "--eps", "0.05", "--baseline", baseline, "--fail-below", "0.5")
    assert done.returncode == 0, done.stderr
    told = json.loads(baseline.read_text())
    baseline.write_text(json.dumps({**told, "robust": {**told["robust"], "low": 1.1, "high": 1.2}}))
    done = quick("attack", named("net"), data, "--eps", "0.05", "--baseline", baseline)
    assert done.returncode == 1 and "below the baseline's interval" in done.stderr and "robust " in done.stdout
    done = quick("attack", named("net"), data, "--eps", "0.06", "--baseline", baseline)
    assert done.returncode == 2 and "was made with eps 0.05, and this report with 0.06" in done.stderr
    done = quick("attack", named("noisy"), data, "--eps", "0.9", "--count", "4", "--fail-below", "0.999")
    assert done.returncode == 1 and "below the 99.90% of --fail-below" in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("probabilities", "returns probabilities"),
        ("seven", "has 7 classes, and the data have 3"),
        ("closed", "no gradient flows"),
        ("few_only", "failed under attack: MemoryError: no room for so many"),
        ("only_rgb", "--size and --mode"),
        ("nothing", "is no model"),
        ("missing", "cannot be loaded: AttributeError"),
        ("as_numpy", "returns ndarray"),
        ("in_place", "writes into its inputs"),
        ("leaves", "cannot be loaded: SystemExit"),
        ("no_weights", "cannot be loaded: NotImplementedError"),
    ],
)
def test_models_that_cannot_be_attacked(
    name: str, words: str, named: Callable[[str], str], data: Path, quick: Cli
) -> None:
    done = quick("attack", named(name), data, "--eps", "0.05")
    assert done.returncode in (1, 2) and words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["double", "brain", "function_in_double"])
def test_models_of_another_precision(name: str, named: Callable[[str], str], data: Path) -> None:
    found, single = (attacked(named(which), data) for which in (name, "Weighed"))
    assert (found.clean.value, found.robust.value) == (single.clean.value, single.robust.value)
    precision = "bfloat16" if name == "brain" else "float64"
    assert any(f"computes in {precision}" in note for note in found.notes)
    assert not any("computes in" in note for note in single.notes)
    assert any("training mode" in note for note in found.notes) == (name != "function_in_double")


@pytest.mark.parametrize("name", ["logits_in_double", "logits_in_half"])
def test_logits_of_another_precision(name: str, named: Callable[[str], str], data: Path) -> None:
    found, single = (attacked(named(which), data) for which in (name, "net"))
    assert found.clean.value == single.clean.value == 1
    assert found.robust.value == single.robust.value or name == "logits_in_half"


def test_what_a_model_prints_is_not_the_answer(named: Callable[[str], str], data: Path, quick: Cli) -> None:
    done = quick("attack", named("prints"), data, "--eps", "0.05", "--count", "4", "--json")
    assert json.loads(done.stdout)["clean"]["total"] == 4 and "a stranger's words" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--eps", "3"], "is larger than the box"),
        (["--eps", "-1"], "eps must be 0 or more"),
        (["--norm", "L7"], "unknown norm"),
        (["--norm", "L1"], "no eps is usual in L1"),
        (["--norm", "L0", "--eps", "1"], "sparring.attacks.pgd"),
        (["--version", "best"], "unknown version"),
        (["--count", "0"], "--count must be 1 or more"),
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--fail-below", "85"], "a fraction from 0 to 1"),
        (["--baseline", "none.json"], "is not a report.json"),
        (["--box", "1", "0"], "the box is empty"),
        (["--resize"], "--resize is for runs"),
    ],
)
def test_what_cannot_be_asked(
    flags: list[str], words: str, named: Callable[[str], str], data: Path, quick: Cli
) -> None:
    done = quick("attack", named("net"), data, *flags)
    assert done.returncode == 2 and words in done.stderr


def test_findings_reach_text_json_and_page(named: Callable[[str], str], data: Path, quick: Cli, tmp_path: Path) -> None:
    out, parts = tmp_path / "out", np.load(data)
    np.savez(tmp_path / "all.npz", x=parts["x_train"], y=parts["y_train"])
    done = quick("attack", named("shuffled"), tmp_path / "all.npz", "--eps", "0.05", "--count", "9", "--out", out)
    assert done.returncode == 0, done.stderr
    words = "the model would be right on 100.0%"
    assert f"problem  {words}" in done.stdout and f"problem: {words}" in done.stderr
    written = json.loads((out / "report.json").read_text())
    kinds = {finding["kind"]: finding["severity"] for finding in written["findings"]}
    assert kinds == {"alternative": "problem", "chance": "problem"}
    assert words in (out / "report.html").read_text()
    assert "the model's outputs are taken for the classes in this order: 0, 1, 2" in written["notes"]


def test_a_model_that_is_right_on_none_is_refused_with_the_reason(named: Callable[[str], str], data: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)classifies none of 12 test images.*would be right on 100.*counted from"):
        attacked(named("rotated"), data)


@pytest.mark.parametrize(("name", "severity"), [("Weighed", "notice"), ("untrained", "problem"), ("weighed", None)])
def test_a_model_made_by_its_constructor(
    name: str, severity: str | None, named: Callable[[str], str], data: Path
) -> None:
    report = attacked(named(name), data)
    severities = [finding.severity for finding in report.findings if finding.kind == "constructor"]
    assert severities == ([severity] if severity else [])
    assert any(finding.kind == "chance" for finding in report.findings) == (severity == "problem")


def test_answers_that_depend_on_the_batch(named: Callable[[str], str], data: Path) -> None:
    (finding,) = attacked(named("batch"), data).findings
    assert finding.kind == "batch" and finding.evidence.endswith("one by one")


def test_images_of_one_size_are_attacked_as_they_are(named: Callable[[str], str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(12):
        folder = tmp_path / "large" / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 9, (150, 170), np.uint8)
        pixels[k % 2 :: 2] += 200  # a pattern that no smaller size has
        image = Image.fromarray(pixels)
        (image if k < 11 else image.resize((300, 300), Image.Resampling.NEAREST)).save(folder / f"{k}.png")
    (tmp_path / "large" / "a" / "torn.png").write_bytes((tmp_path / "large" / "a" / "0.png").read_bytes()[:60])
    report = attacked(named("stripes"), tmp_path / "large", version="square")
    assert report.clean.total == 12 and report.clean.hits >= 11
    assert any("torn.png" in note for note in report.notes) and not any("64x" in note for note in report.notes)
    with pytest.raises(UsageError, match=r"\(1, 1, 64, 56\)"):
        attacked(named("stripes"), tmp_path / "large", size="64x56", version="square")


def test_sources_and_files_that_will_not_do(
    named: Callable[[str], str], quick: Cli, tmp_path: Path, data: Path
) -> None:
    np.save(tmp_path / "plain.npy", np.zeros((4, 8, 8), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None])
    done = quick("attack", named("net"), tmp_path / "plain.npy")
    assert done.returncode == 2 and "has no labels" in done.stderr
    (tmp_path / "net.pt").write_bytes(b"no archive")
    done = quick("attack", tmp_path / "net.pt", data)
    assert done.returncode == 1 and "cannot be loaded" in done.stderr
    done = quick("attack", tmp_path / "none.pt2", data)
    assert done.returncode == 2 and "there is no file" in done.stderr
    done = quick("attack", "nowhere", data)
    assert done.returncode == 2 and "there is no model 'nowhere'" in done.stderr
    (tmp_path / "net.pth").write_bytes(b"weights")
    done = quick("attack", tmp_path / "net.pth", data)
    assert done.returncode == 2 and "net.pth is a file, but no model" in done.stderr
