"""`sparring classify --private`: what is released, what is not, exact resume, and all that is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from torch import Tensor, nn

import sparring
from sparring.commands.classify import to_text
from sparring.commands.private.diagnosis import diagnose_private_classifier
from sparring.commands.private.options import shareable_files
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import UsageError
from sparring.engine.loop import play
from sparring.measure.classifier.answer_scores import AnswerScores
from sparring.measure.diagnostics.finding import Finding
from sparring.privacy.ledger import Ledger

Cli = Callable[..., "CompletedProcess[str]"]


def stripes(folder: Path, count: int = 600, test: int = 100) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(count + test) % 3
    x = rng.integers(0, 60, (count + test, 8, 8), np.uint8)
    x[np.arange(count + test), y] += 180
    np.savez(folder / "secret_rows.npz", x_train=x[:count], y_train=y[:count], x_test=x[count:], y_test=y[count:])
    return folder / "secret_rows.npz"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripes(tmp_path_factory.mktemp("private"))


@pytest.fixture(scope="module")
def run(source: Path) -> Path:
    report = sparring.classify(source, private=8, images=3_000, out=source.parent / "run", device="cpu")
    assert report.errors is not None and report.errors.value < 0.1
    assert "label next" not in to_text(report)
    return source.parent / "run"


def test_ledger_keeps_the_budget(run: Path) -> None:
    saved = json.loads((run / "privacy.json").read_text())
    ledger = Ledger.from_json(saved)
    assert 7.9 < ledger.epsilon() <= 8 and ledger.budget.delta == 1e-5
    (release,) = ledger.releases
    assert "50 steps" in release.what and release.sensitivity == 0.1
    assert "private" not in saved["shared"]


def test_a_file_that_the_run_did_not_write_is_not_to_be_shared(run: Path) -> None:
    (run / "rows.csv").write_text("a\n1\n")
    try:
        shared = shareable_files(sparring.Run(run))
    finally:
        (run / "rows.csv").unlink()
    assert {path.name for path in run.iterdir()} == {*shared, "private"}


def test_nothing_of_the_rows_but_noisy_gradients_is_shared(run: Path, source: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints", "classification.json", "classifier.json", "classifier.safetensors", "metrics.jsonl",
        "privacy.json", "private", "report.html", "run.json",
    ]  # fmt: skip
    fingerprint = sparring.open(source).fingerprint
    for path in run.rglob("*"):
        if path.is_file() and path.parent.name != "private":
            assert fingerprint.encode() not in path.read_bytes()
    assert {name for line in sparring.Run(run).metrics() for name in line} == {"nimg", "error", "minutes"}
    model = sparring.load(run)
    assert isinstance(model, sparring.Classifier)
    assert model.temperature == 1 and model.min_familiarity == -1
    page = (run / "report.html").read_text()
    assert "Never share the folder private/" in page and "e^8 times as likely" in page


def test_predict_and_encode_work_unchanged(run: Path, source: Path) -> None:
    answers = sparring.predict(run, source).predictions
    assert len(answers) == 700 and {answer.label for answer in answers} == {"0", "1", "2"}
    assert sparring.encode(run, source, out=run.parent / "f.npy").width == 81 * 4


def test_its_answers_are_scored_on_other_examples_alone(run: Path, source: Path, tmp_path: Path) -> None:
    for data in (None, source):
        with pytest.raises(UsageError, match="one more release"):
            sparring.evaluate(run, data)
    public = np.load(source)
    np.savez(tmp_path / "public.npz", x=public["x_test"], y=public["y_test"])
    scores = sparring.evaluate(run, tmp_path / "public.npz", split="all")
    assert isinstance(scores, AnswerScores) and scores.tested_on == "100 images"


def test_the_doctor_never_advises_a_longer_run(run: Path) -> None:
    short = Finding("short", "problem", "The training was short.", "", "sparring classify x --out run --images 9")
    (private,) = diagnose_private_classifier([short])
    assert "costs epsilon again" in private.advice and "--out" not in private.advice
    assert sparring.doctor(run) == diagnose_private_classifier(sparring.doctor(run))


def test_a_stopped_run_continues_to_the_bit(run: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = source.parent / "stopped"
    stopping = {"calls": 0}

    def interrupted(*given: object, **named: object) -> int:
        def stop() -> bool:
            stopping["calls"] += 1
            return stopping["calls"] > 20

        return play(*given, **{**named, "should_stop": stop})  # type: ignore[arg-type]

    shutil.rmtree(other, ignore_errors=True)
    (other / "private").mkdir(parents=True)
    for name in ("noise.json",):
        shutil.copy(run / "private" / name, other / "private" / name)
    key = json.loads((run / "private" / "noise.json").read_text())["key"]
    shutil.rmtree(other)
    monkeypatch.setattr("sparring.privacy.secret.secrets.token_bytes", lambda count: bytes.fromhex(key))
    with monkeypatch.context() as patch:
        patch.setattr("sparring.commands.training.session.play", interrupted)
        with pytest.raises(Stopped):
            sparring.classify(source, private=8, images=3_000, out=other, device="cpu")
    sparring.classify(source, out=other, device="cpu")
    assert (other / "classifier.safetensors").read_bytes() == (run / "classifier.safetensors").read_bytes()


def test_two_runs_of_one_seed_differ(run: Path, source: Path) -> None:
    again = source.parent / "again"
    sparring.classify(source, private=8, images=300, out=again, device="cpu")
    with pytest.raises(sparring.UsageError, match="cannot be made longer"):
        sparring.classify(source, images=3_000, out=again, device="cpu")
    with pytest.raises(sparring.UsageError, match="begun with epsilon 8"):
        sparring.classify(source, private=1, out=again, device="cpu")
    key, other = (json.loads((path / "private/noise.json").read_text())["key"] for path in (run, again))
    assert key != other
    (again / "private" / "noise.json").unlink()
    with pytest.raises(sparring.SparringError, match="cannot be continued"):
        sparring.classify(source, private=8, out=again, device="cpu")


class Convolutions(nn.Module):
    """A custom network, with or without batch norm."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), norm, nn.Tanh(), nn.Flatten())
        self.head = nn.Linear(64, 3)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def test_custom_networks_learn_and_batch_norm_is_refused(source: Path, tmp_path: Path) -> None:
    recipe = sparring.ScatteringRecipe(clip=1.0, lr=1.0, batch_size=60)
    report = sparring.classify(
        source, recipe, private=20, images=3_000, out=tmp_path / "own", device="cpu",
        nets=lambda spec: {"classifier": Convolutions(nn.GroupNorm(2, 4))},
    )  # fmt: skip
    assert report.errors is not None and report.errors.value < 0.3
    with pytest.raises(sparring.UsageError, match="BatchNorm2d"):
        sparring.classify(
            source, recipe, private=20, images=300, out=tmp_path / "bn", device="cpu",
            nets=lambda spec: {"classifier": Convolutions(nn.BatchNorm2d(4))},
        )  # fmt: skip
    assert not (tmp_path / "bn").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"private": 0}, "--private must be a number above 0"),
        ({"private": -1}, "--private must be a number above 0"),
        ({"private": float("nan")}, "--private must be a number above 0"),
        ({"private": 1, "delta": 0.5}, "not below 1/n"),
        ({"private": 1, "delta": 0}, "--delta must be above 0"),
        ({"delta": 1e-5}, "--delta is for --private"),
        ({"private": 1, "labels": 10}, "learns from all labels"),
        ({"private": 1, "recipe": "consistent"}, "has the recipe scattering alone"),
        ({"private": 1, "recipe": sparring.ScatteringRecipe(batch_size=601)}, "more than there are rows, 600"),
        ({"private": 1, "adapt_to": "x"}, "--private and --adapt-to"),
    ],
)
def test_bad_settings(source: Path, tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(sparring.UsageError, match=words):
        sparring.classify(source, images=300, out=tmp_path / "run", device="cpu", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_random_test_split_is_not_used(tmp_path: Path) -> None:
    arrays = np.load(stripes(tmp_path, 300, 0))
    x, y = arrays["x_train"], arrays["y_train"]
    x[1] = x[0]  # copies under two labels are two rows: if one replaced the other, a row would count twice
    np.savez(tmp_path / "whole.npz", x=x, y=y)
    report = sparring.classify(tmp_path / "whole.npz", private=5, images=600, out=tmp_path / "run", device="cpu")
    assert report.labels == 300 and report.errors is None and "unknown" in to_text(report)
    assert sparring.Run(tmp_path / "run").metrics() == []


def test_numbers_scaled_by_their_own_range_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "wide.npz", x=rng.integers(0, 4000, (100, 8, 8)).astype(np.uint16), y=np.arange(100) % 3)
    with pytest.raises(sparring.UsageError, match="scaled by the range of all"):
        sparring.classify(tmp_path / "wide.npz", private=5, images=600, out=tmp_path / "run", device="cpu")


def test_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{k},{'xy'[k % 2]}\n" for k in range(100)))
    with pytest.raises(sparring.UsageError, match="--private classifies images"):
        sparring.classify(tmp_path / "t.csv", label="b", private=1, images=300, out=tmp_path / "run", device="cpu")


def test_command_line(tmp_path: Path, quick: Cli) -> None:
    data = stripes(tmp_path, 200, 40)
    done = quick("classify", data, "--private", 5, "--images", 400, "--out", tmp_path / "cli", "--clip", 0.2, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recipe"] == "scattering"
    assert "epsilon 5" in done.stderr and "loss" not in done.stderr
    refused = quick("classify", data, "--private", 0)
    assert refused.returncode == 2 and "above 0" in refused.stderr
