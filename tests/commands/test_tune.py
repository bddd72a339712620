"""`sparring tune`: trials that are runs, validation examples, stops, the verdict, and what is refused."""

from __future__ import annotations

import json
import math
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sparring
from sparring.commands.training.interrupt import Stopped
from sparring.commands.tuning import trial as trials
from sparring.commands.tuning.trial import Trainer
from sparring.commands.tuning.verdict import compare
from sparring.commands.tuning.worker import Worker
from sparring.engine.errors import Diverged, UsageError
from sparring.engine.run_folder import Run

pytest.importorskip("optuna")
Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SETTINGS: dict[str, Any] = {
    "label": "y", "fields": ("lr", "dropout"), "images": 2_000, "trials": 4, "repeats": 2, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred rows of two classes."""
    rng = random.Random(0)
    rows = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(300)]
    path = tmp_path_factory.mktemp("tune") / "rows.csv"
    path.write_text("a,b,y\n" + "".join(f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}\n" for a, b in rows))
    return path


@pytest.fixture(scope="module")
def tuned(table: Path) -> sparring.TuningResult:
    return sparring.tune(table, out=table.parent / "tuned", **SETTINGS)


@pytest.fixture
def analytic(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, float]]]:
    """Replace training by a function of the settings; return the trials that are trained."""
    trained: list[tuple[str, dict[str, float]]] = []
    scores: dict[Path, float] = {}

    def train(
        self: Trainer, out: Path, params: dict[str, float], on_score: Any = None, seed: int | None = None
    ) -> float:
        trained.append((out.name, params))
        score = abs(math.log10(params.get("lr", 1e-3)) + 2) + 0.01 * (seed or 0) * len(params)
        for checkpoint in range(1, 11) if on_score else ():
            on_score(checkpoint, 200 * checkpoint, score + 1 / checkpoint - 0.1)
        scores[out] = score
        return score

    monkeypatch.setattr(Trainer, "train", train)
    monkeypatch.setattr(Worker, "_repeated", lambda self, name, seed: scores.get(self.folder.repeat(name, seed)))
    return trained


def test_trials_are_runs_and_the_best_settings_a_command(tuned: sparring.TuningResult, table: Path) -> None:
    folder = table.parent / "tuned"
    assert [t.number for t in tuned.trials] == [0, 1, 2, 3] and tuned.trials[0].is_default
    assert tuned.trials[0].params == {"dropout": 0.2, "lr": 1e-3}
    for one in tuned.trials:
        run = Run(folder / "trials" / f"{one.number:03d}")
        settings = run.settings["recipe"]["settings"]
        assert {name: settings[name] for name in one.params} == one.params
        assert run.metrics()[-1]["error"] == one.score and run.metrics()[-1]["nimg"] == one.examples
        assert sparring.doctor(run)
    complete = [t for t in tuned.trials if t.state == "complete"]
    assert tuned.best.score == min(t.score for t in complete if t.score is not None)
    words = shlex.split(tuned.command)
    assert words[:3] == ["sparring", "classify", str(table)] and words[words.index("--recipe") + 1] == "tabular_mlp"
    assert words[words.index("--label") + 1] == "y" and words[words.index("--images") + 1] == "2000"
    if not tuned.best.is_default:
        assert float(words[words.index("--lr") + 1]) == tuned.best.params["lr"]
    assert "--validation" not in words
    saved = json.loads((folder / "tuning.json").read_text())
    assert saved["result"]["command"] == tuned.command and saved["settings"]["images"] == 2_000
    page = (folder / "report.html").read_text()
    assert all(text in page for text in ("importance", "best so far", "Every trial", tuned.verdict_text))


def test_the_test_split_is_left_out_and_validation_rows_are_held_out_of_training(
    tuned: sparring.TuningResult, table: Path
) -> None:
    plain = sparring.open(table, sparring.ReadOptions(label="y"))
    tuning = sparring.open(table, sparring.ReadOptions(label="y", validation=True))
    test, train = set(plain.split("test").names), set(plain.names)
    validation, used = set(tuning.split("test").names), set(tuning.names)
    assert not test & (validation | used) and not validation & used and validation | used == train
    assert len(validation) == pytest.approx(len(train) / 5, abs=2)
    assert Run(tuned.run / "trials" / "000").settings["data"]["fingerprint"] == tuning.fingerprint


def test_a_finished_tuning_is_repeated_without_training(
    tuned: sparring.TuningResult, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "train", None)
    again = sparring.tune(table, out=tuned.run, **SETTINGS)
    assert again.to_json() == tuned.to_json()


def test_a_stopped_tuning_continues_as_if_it_had_not_been(
    table: Path, tmp_path: Path, analytic: list[tuple[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SETTINGS, "trials": 8, "repeats": 0}
    whole = sparring.tune(table, out=tmp_path / "whole", **settings)
    plain, calls = Trainer.train, len(analytic)

    def stopping(self: Trainer, out: Path, params: dict[str, float], on_score: Any = None, seed: Any = None) -> float:
        if out.name == "003":
            plain(self, out, params, None, seed)  # some of it
            raise Stopped("by a signal")
        return plain(self, out, params, on_score, seed)

    monkeypatch.setattr(Trainer, "train", stopping)
    with pytest.raises(Stopped, match=r"stopped in trial 3; all is saved\. Repeat the command to continue"):
        sparring.tune(table, out=tmp_path / "parts", **settings)
    monkeypatch.setattr(Trainer, "train", plain)
    parts = sparring.tune(table, out=tmp_path / "parts", **settings)
    assert parts.trials == whole.trials
    assert [name for name, _ in analytic[calls:]].count("003") == 2  # the same trial, continued


def test_the_verdict_compares_on_fresh_seeds(
    table: Path, tmp_path: Path, analytic: list[tuple[str, dict[str, float]]]
) -> None:
    result = sparring.tune(table, out=tmp_path / "out", **{**SETTINGS, "trials": 10})
    assert not result.best.is_default and result.verdict is not None and result.verdict.outcome == "better"
    repeats = [name for name, _ in analytic if not name.isdecimal()]
    best = f"best-{result.best.number:03d}"
    assert sorted(repeats) == [f"{best}-1", f"{best}-2", "defaults-1", "defaults-2"]
    assert "better than the defaults" in result.to_text() and any(t.state == "stopped" for t in result.trials)


def test_a_diverged_trial_counts_as_untrained_and_others_go_on(
    table: Path, tmp_path: Path, analytic: list[tuple[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Trainer.train

    def diverging(self: Trainer, out: Path, params: dict[str, float], on_score: Any = None, seed: Any = None) -> float:
        if out.name == "001":
            raise Diverged("the loss became nan")
        return plain(self, out, params, on_score, seed)

    monkeypatch.setattr(Trainer, "train", diverging)
    result = sparring.tune(table, out=tmp_path / "out", **{**SETTINGS, "repeats": 0})
    assert [t.state for t in result.trials][:2] == ["complete", "diverged"] and len(result.trials) == 4
    assert result.best.number != 1


def test_intervals_of_the_verdict() -> None:
    assert compare([2.0, 2.1, 2.2], [1.0, 1.1, 1.2]).outcome == "better"
    assert compare([1.0, 1.1, 1.2], [2.0, 2.1, 2.2]).outcome == "worse"
    noisy = compare([1.0, 2.0, 3.0], [2.0, 1.0, 2.0])  # differences -1, 1, 1
    assert noisy.outcome == "within noise"
    half = 4.302653 * (4 / 3 / 3) ** 0.5  # Student's quantile for 2 degrees of freedom
    assert (noisy.gain.low, noisy.gain.high) == pytest.approx((1 / 3 - half, 1 / 3 + half))
    assert "The gain over the defaults is within noise: error" in noisy.to_text("error")


def test_minutes_become_examples_by_a_probe(table: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "images": None, "trials": 1, "repeats": 0}
    result = sparring.tune(table, out=tmp_path / "out", minutes=0.02, **settings)
    assert result.images >= 256 and result.best.is_default and not (tmp_path / "out" / ".probe").exists()
    assert result.verdict_text == "No settings were better than the defaults"


def test_a_generator_is_tuned_by_its_distance_to_validation_images(data: Path, tmp_path: Path) -> None:
    recipe = sparring.GAN2014(hidden=8, maxout=4, pieces=2, batch_size=8)
    result = sparring.tune(
        data, recipe, out=tmp_path / "out", fields=("lr",), trials=2, images=400, repeats=0, device="cpu"
    )
    assert result.score == "sliced_wasserstein" and {t.state for t in result.trials} <= {"complete", "stopped"}
    assert "--hidden 8" in result.command and result.command.startswith("sparring train ")


def test_a_regressor_is_tuned_by_its_loss_on_validation_rows(table: Path, tmp_path: Path) -> None:
    rows = [line.split(",")[:2] for line in table.read_text().splitlines()[1:]]
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("a,b,y\n" + "".join(f"{a},{b},{float(a) - 2 * float(b):.3f}\n" for a, b in rows))
    settings = {**SETTINGS, "recipe": "tabular_quantiles", "trials": 2, "repeats": 0}
    tuned = sparring.tune(numbers, out=tmp_path / "out", **settings)
    assert tuned.score == "validation_loss" and [t.state for t in tuned.trials].count("complete") >= 1
    run = Run(tuned.run / "trials" / "000")
    assert tuned.command.startswith("sparring regress") and not run.settings["request"]["read"]["validation"]
    losses = [line["validation_loss"] for line in run.metrics() if "validation_loss" in line]
    assert tuned.trials[0].score == losses[-1] < losses[0]


@pytest.mark.slow
def test_two_processes_share_a_folder_and_a_killed_one_is_continued(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = f"tune {table} --label y --fields lr --images 60000 --trials 6 --repeats 0 --device cpu --out {out} --json"
    command = [sys.executable, "-W", "ignore", "-m", "sparring", *words.split()]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    deadline = time.monotonic() + 120
    while len(list(out.glob("trials/*/checkpoints/*"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[0].kill()
    processes[0].communicate()
    printed, errors = processes[1].communicate(timeout=240)
    assert processes[1].returncode == 0, errors
    result = json.loads(printed)
    assert len(result["trials"]) == 6
    assert all(t["state"] in ("complete", "stopped") for t in result["trials"])
    assert len({t["params"]["lr"] for t in result["trials"]}) == 6


# what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "--trials must be 1 or more, not 0"),
        ({"repeats": 1}, "--repeats must be 0 .*or 2 or more"),
        ({"sampler": "gpp"}, r"unknown --sampler 'gpp': did you mean 'gp'\?"),
        ({"fields": ("lrr",)}, r"tabular_mlp cannot tune 'lrr': did you mean 'lr'\?"),
        ({"images": 0}, "--images must be 1 or more"),
        ({"storage": "db", "images": None}, "--storage is for several machines.*give --images N"),
        ({"storage": "nosuch://x"}, "--storage nosuch://x cannot be opened"),
        ({"recipe": "pgd"}, "pgd is trained by `sparring harden`: recipes of train, classify, regress can be tuned"),
        ({"recipe": "nosuch"}, "unknown recipe 'nosuch'"),
    ],
)
def test_bad_settings_are_named(table: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sparring.tune(table, out=tmp_path / "out", **{**SETTINGS, **changes})


def test_data_that_cannot_be_used_leave_no_trial_in_the_storage(table: Path, tmp_path: Path) -> None:
    import optuna

    shared = {**SETTINGS, "storage": f"sqlite:///{tmp_path / 'trials.db'}", "recipe": "tabular_mlp"}
    for source, message in ((tmp_path / "nosuch.csv", "nosuch.csv"), (table, "column 'z'")):
        changes = {} if source != table else {"label": "z"}
        with pytest.raises(UsageError, match=message):
            sparring.tune(source, out=tmp_path / "out", **{**shared, **changes})
    assert not (tmp_path / "trials.db").exists() or not optuna.get_all_study_names(shared["storage"])


def test_other_settings_in_the_same_folder_are_refused(
    tuned: sparring.TuningResult, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="begun with other settings: seed is 0 there, 1 was requested"):
        sparring.tune(table, out=tuned.run, **{**SETTINGS, "seed": 1})
    (tmp_path / "photo.png").touch()
    with pytest.raises(UsageError, match="is not empty and no folder of `sparring tune`"):
        sparring.tune(table, out=tmp_path, **SETTINGS)


def test_the_command_line(quick: Cli, tmp_path: Path) -> None:
    done = quick("tune", "digits", "--trials", "0", "--out", tmp_path / "out")
    assert done.returncode == 2 and "--trials must be 1 or more" in done.stderr and "Traceback" not in done.stderr
    done = quick("tune", "digits", "--recipe", "gan2014", "--fields", "momentum", "--out", tmp_path / "out")
    assert done.returncode == 2 and "gan2014 cannot tune 'momentum': known: beta1, ema_half_life, lr" in done.stderr
    assert trials.command_of(sparring.GAN2014()) == "train" and not (tmp_path / "out").exists()
