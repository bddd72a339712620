"""`sparring evaluate FEATURES --protect GROUPS`: every form of input, every way in which it can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.commands.encode import _numbers_of_codes
from sparring.commands.evaluate import to_text
from sparring.measure.leakage import audit
from sparring.measure.leakage.adversaries import FAMILIES
from sparring.measure.leakage.result import FEATURES, RAW, LeakageReport

Cli = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = {"logistic regression": FAMILIES["logistic regression"]}
    monkeypatch.setattr("sparring.measure.leakage.attack.available", lambda: linear)
    monkeypatch.setattr(audit, "available", lambda: linear)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """200 rows of two groups, which the first of three features tells apart, in all forms of files."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, 200)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    x[:, 0] += 3 * groups
    names = np.where(groups, "f", "m")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "g.npy", groups)
    np.savez(tmp_path / "all.npz", features=x, sex=names, age=np.arange(200) / 7)
    lines = [
        "a,word,sex,id",
        *(f"{row[0]},{'uv'[k % 2]},{name},n{k}" for k, (row, name) in enumerate(zip(x, names, strict=True))),
    ]
    (tmp_path / "t.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    (tmp_path / "id.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "g3.csv").write_text("sex\n" + "\n".join([*names[:-2], "nan", "?"]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leak_of(report: object) -> float:
    assert isinstance(report, LeakageReport)
    leak = report.of(FEATURES)
    assert leak is not None
    return leak.auc.low


@pytest.mark.parametrize(
    ("features", "groups"),
    [
        ("x.npy", "g.npy"),
        ("all.npz", "sex"),
        ("all.npz:features", "all.npz:sex"),
        ("x.npy", "t.csv:sex"),
        ("t.csv", "sex"),
        ("x.npy", "g3.csv"),
    ],
)
def test_every_form_of_input(folder: Path, features: str, groups: str) -> None:
    report = sparring.evaluate(features, protect=groups)
    assert leak_of(report) > 0.9
    assert ("2 rows without a group are left out" in to_text(report)) == (groups == "g3.csv")


def test_arrays_raw_data_without_the_group_and_the_page(folder: Path) -> None:
    x, groups = np.load("x.npy"), np.load("g.npy")
    report = sparring.evaluate(x[:, 1:], protect=groups, beside="t.csv", report=folder / "page.html")
    assert isinstance(report, LeakageReport)
    raw, leak = report.of(RAW), report.of(FEATURES)
    assert raw is not None and leak is not None and raw.auc.low > 0.9 > 0.7 > leak.auc.high
    page = (folder / "page.html").read_text()
    assert "No fresh adversary" in page and "raw data" in page and "Certificate" in page
    own = sparring.evaluate(x[:, 1:], protect="t.csv:sex", beside="t.csv")
    assert isinstance(own, LeakageReport) and own.protocol["raw"] == 3  # `a` and two words, not `sex`


def test_command_line_prints_json_with_a_certificate(folder: Path, quick: Cli) -> None:
    np.save("codes.npy", np.random.default_rng(1).integers(0, 4, 200))
    done = quick("evaluate", "codes.npy", "--protect", "g.npy", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["certificates"][0]["codes"] == 4 and printed["certificates"][0]["bound"] < 0.5
    assert "decision from these 4 codes alone" in printed["message"]


@pytest.mark.parametrize(
    ("features", "options", "error", "words"),
    [
        ("x.npy", {"protect": "nothing.npy"}, sparring.UsageError, "no file 'nothing.npy'"),
        ("nothing.npy", {"protect": "g.npy"}, sparring.UsageError, "no file 'nothing.npy'"),
        ("x.npy", {"protect": "t.csv"}, sparring.UsageError, "name the column as t.csv:COLUMN"),
        ("x.npy", {"protect": "t.csv:sexx"}, sparring.UsageError, "did you mean 'sex'"),
        ("all.npz", {"protect": "age"}, sparring.UsageError, "200 different values"),
        ("x.npy", {"protect": "id.csv:id"}, sparring.UsageError, "200 different values"),
        ("id.csv", {"protect": "sex"}, sparring.UsageError, "column 'id' has 200 different values"),
        ("x.npy", {"protect": np.zeros(199)}, sparring.UsageError, "200 rows of features and 199 of --protect"),
        ("x.npy", {"protect": "g.npy", "beside": np.zeros((9, 2))}, sparring.UsageError, "9 of --beside"),
        ("x.npy", {"protect": np.zeros(200)}, sparring.UsageError, "one group, '0'"),
        ("x.npy", {"protect": np.arange(200) < 3}, sparring.SparringError, "it has 3 rows and 20 are needed"),
        ("x.npy", {"protect": "g.npy", "n": 100}, sparring.UsageError, "only --beside"),
        ("x.npy", {"within": "g.npy"}, sparring.UsageError, "add --protect"),
        ("x.npy", {"protect": np.zeros((200, 2))}, sparring.UsageError, "one value a row"),
        (np.array(["a"] * 200), {"protect": "g.npy"}, sparring.UsageError, "features are numbers"),
        (np.r_[np.nan, np.zeros(199)], {"protect": "g.npy"}, sparring.SparringError, "the first is row 0"),
    ],
)  # fmt: skip
def test_bad_input_is_named(
    folder: Path, features: object, options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        sparring.evaluate(features, **options)  # type: ignore[arg-type]


def test_small_groups_and_constant_features_are_warned_of(folder: Path) -> None:
    groups = np.load("g.npy")
    groups[:3] = 7
    report = sparring.evaluate(np.ones((200, 2)), protect=groups)
    assert isinstance(report, LeakageReport) and leak_of(report) == 0.5
    assert any("group '7': left out, it has 3 rows" in warning for warning in report.warnings)
    assert any("all columns of the features are constant" in warning for warning in report.warnings)


def test_encode_writes_features_that_can_be_audited(data: Path, tmp_path: Path, quick: Cli) -> None:
    run = tmp_path / "run"
    sparring.classify(data, images=500, out=run, device="cpu")
    encoded = sparring.encode(run, data, out=tmp_path / "f.npz")
    arrays = np.load(encoded.path)
    assert arrays["features"].shape == (60, encoded.width) and arrays["labels"][:3].tolist() == ["0", "1", "2"]
    rows = np.load(data)["x_train"]
    expected = sparring.load(run).encode(rows).numpy()
    names = arrays["names"].tolist()
    own = [k for k, name in enumerate(names) if "x_train" in name or "train" in name]
    assert len(own) == 48
    np.testing.assert_allclose(arrays["features"][own], expected, atol=1e-5)
    done = quick("encode", run, data, "--out", tmp_path / "f.npy", "--json")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), arrays["features"])
    with pytest.raises(sparring.UsageError, match="features are written as"):
        sparring.encode(run, data, out=tmp_path / "f.txt")
    with pytest.raises(sparring.UsageError, match="--protect: no groups are read from"):
        sparring.encode(run, data, protect="y_train", out=tmp_path / "f.npz")


@pytest.mark.parametrize("as_input", [False, True])
def test_encoded_rows_of_a_table_hold_their_groups(folder: Path, as_input: bool, quick: Cli) -> None:
    drop = () if as_input else ("sex",)
    sparring.classify("t.csv", label="word", drop=drop, images=200, out="run", device="cpu")
    done = quick("encode", "run", "t.csv", "--protect", "sex", "--out", "f.npz")
    assert done.returncode == 0, done.stderr
    assert np.load("f.npz")["groups"].tolist() == np.load("all.npz")["sex"].tolist()
    assert isinstance(sparring.evaluate("f.npz", protect="groups"), LeakageReport)
    done = quick("encode", "run", "t.csv", "--protect", "sex")
    assert done.returncode == 2 and "--protect: a .npz file holds groups, add --out NAME.npz" in done.stderr
    done = quick("encode", "run", "t.csv", "--protect", "sox", "--out", "f.npz")
    assert done.returncode == 2 and "sex" in done.stderr


def test_encoded_files_hold_the_groups_of_their_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    rng = np.random.default_rng(0)
    for k in range(40):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(source / f"{k % 2}_{'ab'[k % 3 // 2]}_{k}.png")
    sparring.classify(source, label_from="{label}_*.png", images=200, out=tmp_path / "run", device="cpu")
    pattern = "{label}_{group}_{n}.png"
    encoded = sparring.encode(tmp_path / "run", source, protect_from=pattern, out=tmp_path / "f.npz")
    arrays = np.load(encoded.path)
    assert arrays["groups"].tolist() == [Path(name).stem.split("_")[1] for name in arrays["names"].tolist()]


def test_one_hot_codes_are_written_as_their_numbers() -> None:
    codes = np.array([2, 0, 1, 2])
    assert _numbers_of_codes(np.eye(3, dtype=np.float32)[codes]).tolist() == codes[:, None].tolist()
    for features in (np.eye(3)[codes] + 0.5, np.ones((4, 1)), np.ones((4, 3))):
        assert _numbers_of_codes(features) is features
