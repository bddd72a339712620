"""`sparring evaluate`, on a run, on samples of other tools, on tables, and on all that can be wrong with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sparring
from sparring.commands.evaluating.row_views import at_most, of_array
from sparring.commands.training.interrupt import Stopped
from sparring.engine.safetensors_io import write_tensors
from sparring.measure.diagnostics import two_sample_test
from sparring.measure.features import trained_features as trained
from sparring.nets.inception import Inception

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample_test, "MIN_IMAGES", 2_000)
    monkeypatch.setattr(two_sample_test, "MAX_IMAGES", 2_000)
    monkeypatch.setattr(trained, "TRAINING", trained.FeatureNetTraining(features=8, images=5_000, least=5_000, width=8))


class RunningMean(nn.Module):
    """Features of the mean over rows and over columns."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((1, 2)), x.mean((1, 3))], 1)


def bright_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = rng.integers(0, 60, (count, 8, 8, 1)).astype(np.uint8)
    x[np.arange(count), y * 2] += 180
    return x, y


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (x, y), (test_x, test_y) = bright_rows(700, 0), bright_rows(400, 1)
    path = tmp_path_factory.mktemp("evaluated") / "data.npz"
    np.savez(path, x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    return path


@pytest.fixture(scope="module")
def fresh(source: Path) -> Path:
    """Samples of a perfect generator."""
    x, y = bright_rows(400, 2)
    np.savez(source.parent / "fresh.npz", x=x, y=y)
    return source.parent / "fresh.npz"


def test_a_run(quick: Cli, run: sparring.Run, data: Path) -> None:
    done = quick("evaluate", run.path, "--data", data, "-n", "200", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"protocol", "scores", "two_sample", "memorisation", "kind_scores", "warnings"}
    assert set(told["scores"][0]) == {"name", "value", "low", "high", "real_baseline"}
    samples = told["protocol"]["samples"]
    assert samples["n"] == 200 and samples["weights"] == "average" and samples["truncation"] is None
    assert told["protocol"]["reference"]["split"] == "test"
    assert any("rough" in w or "not given" in w for w in told["warnings"])
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and "Protocol" in page
    assert json.loads((run.path / "evaluation.json").read_text())["scores"] == told["scores"]


def test_a_truncated_run_says_so(quick: Cli, data: Path, tmp_path: Path) -> None:
    run = sparring.train(data, sparring.BigGAN(width=4, batch_size=8), images=32, out=tmp_path / "run", device="cpu")
    asked = ("evaluate", run.path, "-n", "50", "--features", "raw")
    done = quick(*asked, "--truncation", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["protocol"]["samples"]["truncation"] == 0.5
    done = quick("evaluate", tmp_path / "run" / "samples", "--data", data, "--truncation", "0.5")
    assert done.returncode == 2 and "--truncation are for runs" in done.stderr


def test_new_samples_are_at_the_baseline(source: Path, fresh: Path, tmp_path: Path) -> None:
    found = sparring.evaluate(fresh, source, features=RunningMean(), report=tmp_path / "page.html")
    for name in ("fd", "kd", "coverage", "precision", "recall"):
        score = found[name]
        assert score.real_baseline is not None and score.low <= score.value <= score.high
        assert abs(score.value - score.real_baseline) < 3 * (score.high - score.low)
    assert found.two_sample is not None
    assert found.two_sample.low <= 0.5 <= found.two_sample.high
    assert found.memorisation is not None and found.memorisation.p_value > 0.01
    assert found.memorisation.copied_fraction < 0.02
    assert found["fd"].name.startswith("fd[runningmean-")
    assert (tmp_path / "page.html").exists()


def test_copies_are_seen(source: Path) -> None:
    with np.load(source) as arrays:
        found = sparring.evaluate(arrays["x_train"][:300], source, features=RunningMean())
    assert found.memorisation is not None and found.memorisation.p_value < 0.01
    assert found.memorisation.copied_fraction > 0.9


def test_by_class_and_by_modes(source: Path, fresh: Path) -> None:
    found = sparring.evaluate(fresh, source)
    names = [score.name for score in found.scores]
    net = found.protocol["features"]["name"]
    assert [f"fd[{net}]/{k}" for k in "012"] == [name for name in names if "/" in name]
    assert found["modes"].value == 3 and found["kl"].value < 0.05
    x, y = bright_rows(600, 5)
    half = sparring.evaluate(x[y != 2], source)
    assert half["modes"].value == 2 and half["kl"].value > 0.3
    assert half.protocol["features"]["name"] == net  # trained once, kept, and the same for both


def test_a_folder_with_two_equal_files_is_taken_whole(source: Path, tmp_path: Path) -> None:
    x = bright_rows(20, 3)[0]
    (tmp_path / "made").mkdir()
    for k in range(40):
        Image.fromarray(x[k % 20, :, :, 0]).save(tmp_path / "made" / f"{k}.png")
    found = sparring.evaluate(tmp_path / "made", source, features="raw")
    assert found.protocol["samples"]["n"] == 40
    assert any("only 20 of 40 samples are distinct" in warning for warning in found.warnings)


def test_tables(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "table.npz", x_train=rng.normal(5, 3, (800, 4)), x_test=rng.normal(5, 3, (300, 4)))
    np.save(tmp_path / "good.npy", rng.normal(5, 3, (300, 4)))
    good = sparring.evaluate(tmp_path / "good.npy", tmp_path / "table.npz")
    bad = sparring.evaluate(rng.normal(9, 3, (300, 4)), tmp_path / "table.npz", report=tmp_path / "p.html")
    assert good["fd"].name == "fd[raw]" and good["fd"].value < 0.2 < bad["fd"].value
    assert good.two_sample is not None and bad.two_sample is not None
    assert good.two_sample.low <= 0.5 < bad.two_sample.low
    with pytest.raises(sparring.UsageError, match=r"\[50, 3\], .* has tables of the shape \[N, 4\]"):
        sparring.evaluate(rng.normal(size=(50, 3)), tmp_path / "table.npz")
    with pytest.raises(sparring.SparringError, match="no finite numbers"):
        sparring.evaluate(np.full((50, 4), np.nan), tmp_path / "table.npz")


def csv(path: Path, count: int, shift: float = 0.0, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    age, wage, rich = rng.integers(18, 80, count), rng.normal(10 + shift, 2, count), rng.integers(0, 2, count)
    rows = [f"{a},{w:.3f},{'red' if w > 10 else 'blue'},{'yes' if r else 'no'}" for a, w, r in zip(age, wage, rich)]  # noqa: B905
    path.write_text("age,wage,colour,rich\n" + "\n".join(rows) + "\n")
    return path


def test_tables_in_text_files_are_compared_column_by_column(quick: Cli, tmp_path: Path) -> None:
    data, good = csv(tmp_path / "data.csv", 600), csv(tmp_path / "good.csv", 200, seed=1)
    bad = csv(tmp_path / "bad.csv", 200, shift=4.0, seed=2)
    done = quick("evaluate", good, "--data", data, "--report", tmp_path / "page.html", "--json")
    assert done.returncode == 0, done.stderr
    scores = {score["name"]: score["value"] for score in json.loads(done.stdout)["scores"]}
    page = (tmp_path / "page.html").read_text()
    assert "<th>wage</th>" in page and ">red<" in page  # samples as rows of the table
    worse = sparring.evaluate(bad, data)
    assert worse["fd[raw]"].value > 10 * scores["fd[raw]"] and worse["swd"].value > 2 * scores["swd[values]"]


def test_raw_weights_and_checkpoints(run: sparring.Run, data: Path) -> None:
    averaged = sparring.evaluate(run, features="raw", n=60, split="train")
    played = sparring.evaluate(run, features="raw", n=60, split="train", raw=True)
    assert played.protocol["samples"]["weights"] == "raw"
    assert played["swd"].value != averaged["swd"].value
    early = min(int(path.name) for path in run.checkpoints())
    assert sparring.evaluate(run, n=60, checkpoint=early).protocol["samples"]["checkpoint"] == str(early)
    assert averaged.two_sample is None  # forty-eight real images are too few, and it says so
    assert any("two-sample test: not computed, 100" in warning for warning in averaged.warnings)


def test_identical_constant_and_flat_samples(source: Path) -> None:
    with np.load(source) as arrays:
        test = arrays["x_test"]
    same = sparring.evaluate(test, source, features=RunningMean())
    assert any("the reference itself: 400 of 400" in warning for warning in same.warnings)
    assert same["fd"].value == pytest.approx(0, abs=1e-6)
    one = sparring.evaluate(np.full((120, 8, 8, 1), 7, np.uint8), source, features=RunningMean())
    assert any("all 120 samples are equal" in warning for warning in one.warnings)
    assert any("are constant" in warning for warning in one.warnings)
    assert one["coverage"].value == 0


def test_one_class_and_no_split(tmp_path: Path) -> None:
    x = bright_rows(400, 0)[0]
    np.savez(tmp_path / "one.npz", x=x[:200], y=np.zeros(200, np.int64))
    found = sparring.evaluate(x[200:], tmp_path / "one.npz")
    assert any("one class" in warning for warning in found.warnings)
    assert found.protocol["reference"]["split"] == "all"
    assert "half" in found.protocol["reference"]["real_baseline"]["rows"]
    assert found.memorisation is not None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere", "--data", "{data}"], 2, "there is no 'nowhere'"),
        (["{fresh}"], 2, "--data SOURCE is needed"),
        (["{fresh}", "--data", "{data}", "-n", "3"], 2, "-n must be a whole number of 16 or more"),
        (["{fresh}", "--data", "{data}", "-n", "4000"], 2, "holds 400 samples"),
        (["{fresh}", "--data", "{data}", "--split", "half"], 2, "--split is test, train or all"),
        (["{fresh}", "--data", "{data}", "--features", "nonet.pt"], 2, "there is no feature net 'nonet.pt'"),
        (["{fresh}", "--data", "{data}", "--weights", "x"], 2, "--features inception"),
        (["{fresh}", "--data", "{data}", "--features", "inception", "--weights", "x"], 2, "there is no file x"),
        (["{fresh}", "--data", "{data}", "--report", "page.pdf"], 2, "written as .html"),
        (["{fresh}", "--data", "{data}", "--raw"], 2, "are for runs"),
        (["{large}", "--data", "{data}"], 2, "--size 12x10"),
        (["{nan}", "--data", "{data}"], 1, "no finite numbers"),
        (["{few}", "--data", "{data}"], 1, "16 or more are needed"),
        (["{run}", "--checkpoint", "17"], 2, "no checkpoint '17'"),
        (["{run}", "--size", "9"], 2, "for samples of other tools"),
        (["{run}", "--split", "test", "--data", "{unsplit}"], 2, "has no test split"),
        (["{fresh}", "--data", "{single}"], 1, "holds 1 training images"),
        (["{five}", "--data", "{data}"], 2, "cannot be brought to one shape"),
        (["{fresh}", "--data", "{data}", "--report", "{folder}"], 2, "is a folder: --report"),
        (["{fresh}", "--data", "{data}", "--report", "{fresh}/x.html"], 1, "--report PATH.html"),
        (["{table}", "--data", "{data}"], 2, "holds tables,"),
        (["{table}", "--data", "{table}", "--size", "8"], 2, "--size is for images"),
        (["{table}", "--data", "{words}"], 1, "an array [N, F] of numbers"),
        (["{huge}", "--data", "{table}"], 1, "standard deviations"),
    ],
)
def test_what_is_wrong_is_named(
    quick: Cli, source: Path, fresh: Path, run: sparring.Run, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    files: dict[str, Any] = {"data": source, "fresh": fresh, "run": run.path}
    for name, array in {
        "large": np.zeros((30, 12, 10, 1), np.uint8),
        "nan": np.full((30, 8, 8, 1), np.nan, np.float32),
        "few": bright_rows(9, 0)[0],
        "unsplit": bright_rows(50, 0)[0],
        "single": bright_rows(1, 0)[0],
        "five": np.zeros((30, 8, 8, 5), np.uint8),
        "table": np.random.default_rng(0).normal(size=(40, 3)),
        "huge": np.full((40, 3), 1e30),
        "words": np.array([["a", "b", "c"]] * 40),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        files[name] = tmp_path / f"{name}.npy"
    (tmp_path / "folder.html").mkdir()
    files["folder"] = tmp_path / "folder.html"
    done = quick("evaluate", *(word.format(**files) for word in words))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_inception_refuses_what_so_few_samples_cannot_tell(
    quick: Cli, fresh: Path, source: Path, tmp_path: Path
) -> None:
    write_tensors(Inception().state_dict(), tmp_path / "random.safetensors")
    done = quick(
        "evaluate", fresh, "--data", source, "-n", "20", "--features", "inception",
        "--weights", tmp_path / "random.safetensors", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    name = told["protocol"]["features"]["name"]
    assert name.startswith("inception-") and name != "inception-2015"  # these are no published weights
    assert any(f"fid[{name}]: left out, 2048 features need 2,050 samples" in warning for warning in told["warnings"])
    assert [score["name"] for score in told["scores"]] == ["swd[values]"]
    assert (
        "trained-" in told["protocol"]["memorisation"]
    )  # no one waits for hours of Inception over all training images


def test_the_text_has_protocol_scores_and_baseline(quick: Cli, source: Path, fresh: Path) -> None:
    done = quick("evaluate", fresh, "--data", source)
    for part in (
        "reference  400 of",
        "test split",
        "trained-",
        "95 % interval",
        "real data",
        "newly trained judges",
    ):
        assert part in done.stdout


def test_the_order_of_files_does_not_count(source: Path, tmp_path: Path) -> None:
    x, y = bright_rows(900, 7)
    order = np.argsort(y)
    np.save(tmp_path / "sorted.npy", x[order])
    np.save(tmp_path / "mixed.npy", x)
    a, b = (
        sparring.evaluate(tmp_path / f"{name}.npy", source, features=RunningMean(), n=300)
        for name in ("sorted", "mixed")
    )
    assert a["swd"].value == pytest.approx(b["swd"].value, rel=0.3)  # other rows of one set
    assert a.two_sample is not None
    assert a.two_sample.low <= 0.5 <= a.two_sample.high


def test_a_labelled_run_against_unlabelled_data_goes_without_the_gap(run: sparring.Run, tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", bright_rows(150, 3)[0])
    found = sparring.evaluate(run, tmp_path / "plain.npy", features="raw", n=120, report=tmp_path / "p.html")
    assert found.two_sample is not None and found.two_sample.duality_gap is None
    assert any("duality gap: not computed" in warning and "other classes" in warning for warning in found.warnings)
    assert any("trained on other data" in warning for warning in found.warnings)


def test_json_has_no_nan(quick: Cli, source: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "const.npy", np.full((200, 8, 8, 1), 7, np.uint8))
    for words in (["const.npy", "--data", source], [source, "--data", "const.npy"]):
        done = quick("evaluate", *words, "--json")
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


def test_left_out_samples_are_told(source: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    for k, image in enumerate(bright_rows(30, 3)[0]):
        Image.fromarray(image[..., 0]).save(tmp_path / "made" / f"{k}.png")
    (tmp_path / "made" / "31.png").write_bytes(b"no picture")
    found = sparring.evaluate(tmp_path / "made", source, features="raw")
    assert any("1 of the samples are skipped" in warning for warning in found.warnings)


def test_a_run_whose_data_moved_says_where_to_name_them(quick: Cli, source: Path, tmp_path: Path) -> None:
    here = tmp_path / "here.npz"
    here.write_bytes(source.read_bytes())
    made = sparring.train(here, sparring.R3(width=8, batch_size=8), images=16, out=tmp_path / "run", device="cpu")
    here.unlink()
    done = quick("evaluate", made.path)
    assert done.returncode == 2 and "--data SOURCE says where the data are now" in done.stderr
    assert quick("evaluate", made.path, "--data", source, "-n", "50").returncode == 0


@pytest.mark.parametrize("odd", [None, 3, [1, 2], torch.zeros(30, 4)], ids=["none", "number", "list", "tensor"])
def test_what_is_no_samples_in_python(odd: Any, source: Path) -> None:
    with pytest.raises(sparring.UsageError, match="not NoneType" if odd is None else "samples are a path"):
        sparring.evaluate(odd, source)


def test_a_wrong_source_is_not_where_the_runs_data_lay(quick: Cli, run: sparring.Run) -> None:
    done = quick("evaluate", run.path, "--data", "nowhere")
    assert done.returncode == 2 and "there is no 'nowhere'" in done.stderr
    assert "was trained on it" not in done.stderr


def test_of_too_many_rows_some_of_all_classes_are_taken() -> None:
    rows = of_array(np.arange(1000)[:, None], np.arange(1000) // 100)
    some = at_most(200, rows)
    assert len(some) == 200 and set(some.labels) == set(range(10))
    assert (np.diff(some.fetch(np.arange(200))[:, 0]) > 0).all()
    assert at_most(1000, rows) is rows


def test_a_damaged_checkpoint_costs_the_gap_alone(
    run: sparring.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparring.commands.evaluating.measurements.MIN_TEST_ROWS", 20)
    shutil.copytree(run.path, tmp_path / "run")
    whole = sparring.evaluate(tmp_path / "run", features="raw", n=60, split="train")
    assert whole.two_sample is not None and whole.two_sample.duality_gap is not None
    players = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1] / "players.safetensors"
    players.write_bytes(players.read_bytes()[:-10] + b"0123456789")
    found = sparring.evaluate(tmp_path / "run", features="raw", n=60, split="train")
    assert found.two_sample is not None and found.two_sample.duality_gap is None
    assert found.scores == whole.scores
    assert any(
        "duality gap: not computed" in warning and "players.safetensors" in warning for warning in found.warnings
    )


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(sparring.UsageError, match=r"there is no '.*nothere': give a run folder, or samples"):
        sparring.evaluate(tmp_path / "nothere")


def test_ctrl_c_says_that_nothing_was_written(run: sparring.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("sparring.commands.evaluate"), "read_inputs", stopping)
    with pytest.raises(Stopped, match="nothing was written"):
        sparring.evaluate(run)
