"""Bad input, as a user meets it on the command line: a message that names the thing, the exit code, no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.commands.classify import classify
from sparring.recipes import recipe_class

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
TINY = ("--width", "8", "--batch-size", "8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Forty labelled grey images of 8x8."""
    return write_data(tmp_path)


def write_data(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.arange(40) % 3)
    return folder / "data.npz"


@pytest.fixture
def run(data: Path, quick: Cli) -> Path:
    """A short run on it, with three checkpoints."""
    done = quick("train", data, "--images", 160, "--out", "run", *TINY)
    assert done.returncode == 0, done.stderr
    return data.parent / "run"


def refused(done: object, code: int, *words: str) -> None:
    """The command failed with `code`, named `words`, and showed no traceback."""
    told = done.stderr  # type: ignore[attr-defined]
    assert done.returncode == code, told  # type: ignore[attr-defined]
    assert "Traceback" not in told
    for word in words:
        assert word in told, f"{word!r} is not in {told!r}"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["trian", "x"], ["unknown command 'trian'", "did you mean 'train'?"]),
        (["train", "mnits"], ["there is no 'mnits'", "did you mean 'mnist'?"]),
        (["train", "data.npz", "--recipe", "dcgn"], ["unknown recipe 'dcgn'", "did you mean 'dcgan'?"]),
        (["train", "data.npz", "--widht", "3"], ["--widht", "--width"]),
        (["train", "data.npz", "--images", "0"], ["--images must be 1 or more"]),
        (["train", "data.npz", "--images", "many"], ["--images"]),
        (["train", "data.npz", "--images", "9", "--minutes", "1"], ["--minutes and --images"]),
        (["train", "data.npz", "--minutes", "nan"], ["--minutes"]),
        (["train", "data.npz", "--lr", "-1"], ["--lr must be above 0"]),
        (["train", "data.npz", "--size", "9z9"], ["--size 9z9"]),
        (["train", "data.npz", "--mode", "RBG"], ["unknown mode 'RBG'"]),
        (["train", "data.npz", "--device", "gpu"], ["unknown device 'gpu'"]),
        (["train", "data.npz", "--accumulation-steps", "3", "--images", "64"], ["batch size 32", "3"]),
        (["train", "data.npz", "--out", "data.npz"], ["data.npz is a file"]),
        (["train", "data.npz", "--recipe", "lapgan"], ["8x8", "--size 14x14"]),
        (["train", "data.npz", "--recipe", "biggan", "--label-fraction", "0"], ["no labels", "--recipe s3gan"]),
        (["train", "data.npz", "--label-fraction", "nan"], ["--label-fraction must be from 0 to 1"]),
        (["train", "data.npz", "--augment", "dif"], ["unknown --augment 'dif'", "did you mean 'diff'?"]),
        (["train", "data.npz", "--hints", "miror"], ["unknown hint 'miror'", "did you mean 'mirror'?"]),
        (["train", "data.npz", "--recipe", "improved"], ["improved trains a classifier", "sparring classify"]),
        (["classify"], ["SOURCE"]),
        (["classify", "mnits"], ["there is no 'mnits'", "did you mean 'mnist'?"]),
        (["classify", "data.npz", "--recipe", "improvd"], ["unknown recipe 'improvd'", "did you mean 'improved'?"]),
        (["classify", "data.npz", "--recipe", "r3"], ["r3 trains a generator", "consistent"]),
        (["classify", "data.npz", "--labels", "0"], ["--labels must be 1 or more"]),
        (["classify", "data.npz", "--labels", "two"], ["--labels"]),
        (["classify", "data.npz", "--labels", "2"], ["--labels 2 is fewer than the 3 classes"]),
        (["classify", "data.npz", "--labels", "41"], ["only 40 images have a label", "ask for 40"]),
        (
            ["classify", "data.npz", "--labels", "9", "--labels-file", "x"],
            ["--labels and --labels-file exclude each other"],
        ),
        (["classify", "data.npz", "--labels-file", "x.csv"], ["there is no 'x.csv'"]),
        (["classify", "data.npz", "--confidence", "1"], ["--confidence must be at least 0 and below 1"]),
        (["classify", "data.npz", "--lebels", "9"], ["--lebels", "--labels"]),
        (["classify", "data.npz", "--out", "data.npz"], ["data.npz is a file"]),
        (["predict", "nowhere", "data.npz"], ["there is no 'nowhere'"]),
        (["predict", ".", "data.npz"], ["no classifier.json", "no run folder"]),
        (["predict", "nowhere"], ["SOURCE"]),
        (["predict", "nowhere", "x", "--json", "--csv"], ["--json and --csv exclude each other"]),
        (["sample", "nowhere"], ["there is no 'nowhere'"]),
        (["sample", "."], ["generator.json"]),
        (["sample", "nowhere", "-n", "0"], ["must be 1 or more"]),
        (["inspect"], ["SOURCE"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_commands_exit_with_2(quick: Cli, data: Path, args: list[str], words: list[str]) -> None:
    refused(quick(*args), 2, *words)


def test_sources_that_cannot_be_used_exit_with_1(quick: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(quick("train", "empty"), 1, "empty", "Images are looked for")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no image")
    refused(quick("train", "texts"), 1, "1 x .txt")
    (tmp_path / "one").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "a.png")
    refused(quick("train", "one"), 1, "one usable example")
    np.savez(tmp_path / "odd.npz", x=np.zeros((5, 8, 8), np.uint8), y=np.zeros(4))
    refused(quick("train", "odd.npz"), 1, "labels do not match", "5 images and 4 labels")


def test_a_size_too_large_for_memory_is_said_before_training_with_one_that_fits(quick: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((2, 8, 8), np.uint8))
    done = quick("train", "two.npy", "--size", "8000x6000", "--out", "run", "--batch-size", "256")
    refused(done, 1, "8000x6000", "GB", "--size")
    fits = done.stderr.split("--size ")[1].split()[0]
    height, width = map(int, fits.split("x"))
    assert 0 < height < 8000
    assert 0 < width < 6000


def test_an_existing_run_with_other_settings_names_each_difference(quick: Cli, run: Path, data: Path) -> None:
    refused(
        quick("train", data, "--out", run, "--lr", "0.5", "--beta2", "0.5"),
        2,
        "lr is 0.001 there, 0.5 was requested",
        "beta2 is",
    )
    refused(quick("train", data, "--out", run, "--seed", "3"), 2, "seed is 0 there")
    refused(quick("train", data, "--out", run, "--images", "9"), 2, "planned for 160 examples", "not shorter")
    hints = "hints is not given there, mirror+smooth*2 was requested"
    refused(quick("train", data, "--out", run, "--hints", "mirror+smooth*2", "--augment", "diff"), 2, hints, "augment")
    refused(quick("train", data, "--out", run, "--recipe", "dcgan"), 2, "recipe is r3 there, dcgan was requested")
    other = data.with_name("other.npz")
    np.savez(other, x=np.zeros((9, 8, 8), np.uint8))
    refused(quick("train", other, "--out", run), 2, "begun with other data")
    done = quick("train", data, "--out", run, "--images", "160", "--width", "8")
    assert done.returncode == 0, done.stderr


def test_a_run_of_a_version_without_a_setting_is_not_gone_on_with(quick: Cli, run: Path, data: Path) -> None:
    settings = json.loads((run / "run.json").read_text())
    del settings["recipe"]["settings"]["augment"]
    (run / "run.json").write_text(json.dumps(settings))
    refused(quick("train", data, "--out", run), 2, "had no 'augment'", "choose another --out")
    assert quick("sample", run, "-n", "4").returncode == 0


def test_notes_on_labels_are_for_recipes_that_take_them(quick: Cli, tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", x=np.random.default_rng(0).integers(0, 256, (9, 8, 8), np.uint8), y=[0] * 8 + [1])
    told = {
        recipe: quick("train", "odd.npz", "--recipe", recipe, "--images", 8, "--out", recipe, *TINY).stderr
        for recipe in ("r3", "biggan", "dcgan")
    }
    assert "class '1' has one training example" in told["r3"] and "--no-labels" in told["r3"]
    assert "class '1' has one training example" in told["biggan"] and "--recipe r3 --no-labels" in told["biggan"]
    assert "class '1'" not in told["dcgan"]


def test_a_folder_with_other_things_is_no_run(quick: Cli, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused(quick("train", data, "--out", "mine"), 2, "not empty")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    refused(quick("train", data, "--out", data / "below"), 1, "cannot be written")


def test_a_corrupt_checkpoint_gives_way_to_the_one_before(quick: Cli, run: Path, data: Path) -> None:
    whole = (run / "checkpoints" / "000000160" / "players.safetensors").read_bytes()
    newest = run / "checkpoints" / "000000160" / "players.safetensors"
    newest.write_bytes(whole[:-3])
    done = quick("train", data, "--out", run)
    assert done.returncode == 0, done.stderr
    assert "000000160 is damaged" in done.stderr
    assert newest.read_bytes() == whole


def test_a_damaged_run_json_is_named(quick: Cli, run: Path, data: Path) -> None:
    (run / "run.json").write_text("{")
    refused(quick("train", data, "--out", run), 1, "run.json", "damaged")


def test_model_files_that_cannot_be_used(quick: Cli, run: Path, tmp_path: Path) -> None:
    card = json.loads((run / "generator.json").read_text())
    shutil.copytree(run, tmp_path / "newer")
    (tmp_path / "newer" / "generator.json").write_text(json.dumps({**card, "format": 99}))
    refused(quick("sample", "newer"), 1, "format 99")
    (tmp_path / "newer" / "generator.json").write_text(
        json.dumps({**card, "settings": {**card["settings"], "depth": 3}})
    )
    refused(quick("sample", "newer"), 1, "depth")
    (tmp_path / "newer" / "generator.json").write_text(json.dumps(card))
    (tmp_path / "newer" / "generator.safetensors").write_bytes(b"torn")
    refused(quick("sample", "newer"), 1, "generator.safetensors", "damaged")
    refused(quick("sample", run, "--label", "9"), 2, "unknown label '9'")
    refused(quick("sample", run, "--out", "x.tiff"), 2, "x.tiff")


def test_a_loss_that_diverges_stops_the_run_and_keeps_the_last_good_checkpoint(quick: Cli, data: Path) -> None:
    done = quick("train", data, "--images", "4000", "--out", "wild", "--lr", "1e30", "--lr-end", "1e30", *TINY)
    refused(done, 1, "at image", "The last good checkpoint is wild/checkpoints/", "lower --lr")
    assert sorted(p.name for p in (data.parent / "wild" / "checkpoints").iterdir())


# few labels

FEW = ("--width", "4", "--batch-size", "8", "--labelled-batch-size", "4", "--images", "80")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of a classifier on the data of `data`."""
    folder = tmp_path_factory.mktemp("few")
    write_data(folder)
    recipe = recipe_class("consistent")(width=4, batch_size=8, labelled_batch_size=4)
    classify(folder / "data.npz", recipe, labels=9, images=80, out=folder / "few")
    return folder / "few"


@pytest.fixture
def classifier(trained: Path, data: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(trained, data.parent / "few")


def test_sources_whose_labels_are_of_no_use(quick: Cli, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (9, 8, 8), np.uint8)
    for name, more in (
        ("bare", {}),
        ("one", {"y": [0] * 9}),
        ("vectors", {"y": np.random.default_rng(0).random((9, 2))}),
    ):
        np.savez(tmp_path / f"{name}.npz", x=x, **more)  # type: ignore[arg-type]
    refused(quick("classify", "bare.npz"), 2, "bare.npz has no labels", "one folder a class", "--labels-file")
    refused(quick("classify", "bare.npz", "--labels", 3), 2, "bare.npz has no labels")
    refused(quick("classify", "one.npz"), 2, "only one class ('0')", "two or more")
    refused(quick("classify", "one.npz", "--labels", 3), 2, "only one class ('0')")
    refused(quick("classify", "vectors.npz"), 2, "vectors of numbers", "needs classes")
    (tmp_path / "t.csv").write_text("bare.npz:x[0],a\nbare.npz:x[77],b\n")
    refused(
        quick("classify", "bare.npz", "--labels-file", "t.csv"),
        2,
        "t.csv, line 2",
        "no training example 'bare.npz:x[77]': did you mean 'bare.npz:x[7]'?",
    )
    (tmp_path / "t.csv").write_text("bare.npz:x[0],a\n")
    refused(quick("classify", "bare.npz", "--labels-file", "t.csv"), 2, "names one class alone ('a')")
    (tmp_path / "t.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    refused(quick("classify", "bare.npz", "--labels-file", "t.csv"), 1, "t.csv is no text")
    refused(quick("classify", "bare.npz", "--labels-file", "."), 1, "cannot be read as a table")
    assert not (tmp_path / "runs").exists()  # nothing was begun


def test_a_class_that_the_source_has_not_is_named(quick: Cli, data: Path) -> None:
    (data.parent / "t.csv").write_text("data.npz:x[0],0\ndata.npz:x[1],one\n")
    refused(quick("classify", data, "--labels-file", "t.csv"), 2, "line 2: the source has no class 'one'", "0, 1, 2")


def test_runs_of_the_other_kind(quick: Cli, run: Path, classifier: Path, data: Path) -> None:
    refused(quick("predict", run, data), 2, "holds a generator, which cannot predict classes", "sparring classify")
    refused(quick("classify", data, "--out", run), 2, "is a run of `sparring train` (r3)", "choose another --out")
    refused(
        quick("classify", data, "--out", run, "--recipe", "improved"),
        2,
        "is a run of `sparring train` (r3)",
        "choose another --out",
    )
    refused(quick("train", data, "--out", classifier), 2, "is a run of `sparring classify` (consistent)")
    refused(quick("train", data, "--out", classifier, "--recipe", "r3"), 2, "is a run of `sparring classify`")
    refused(quick("sample", classifier, "--label", "1"), 2, "trained without labels")


def test_a_classifiers_run_with_other_settings_names_each_difference(quick: Cli, classifier: Path, data: Path) -> None:
    def again(*args: object) -> object:
        return quick("classify", data, "--out", classifier, *args)

    refused(again("--labels", 12, "--seed", 3), 2, "labels is 9 there, 12 was requested", "seed is 0 there")
    refused(again("--labels-file", "t.csv"), 2, "labels_file is not given there")
    refused(
        again("--lr", "0.5", "--no-balance-classes"), 2, "lr is", "balance_classes is True there, False was requested"
    )
    refused(again("--recipe", "improved"), 2, "recipe is consistent there, improved was requested")
    assert quick("classify", data, "--out", classifier, "--labels", 9, "--images", 80).returncode == 0


def test_a_classifiers_files_that_cannot_be_used(quick: Cli, classifier: Path, data: Path) -> None:
    weights, card = (classifier / f"classifier.{kind}" for kind in ("safetensors", "json"))
    whole, told = weights.read_bytes(), card.read_text()
    weights.write_bytes(whole[:-5])
    refused(quick("predict", classifier, data), 1, "classifier.safetensors is damaged")
    weights.write_bytes(whole)
    card.write_text(told[: len(told) // 2])
    refused(quick("predict", classifier, data), 1, "classifier.json is damaged")
    card.unlink()
    refused(quick("predict", classifier, data), 2, "its training has not saved one yet", "sparring classify")
    assert quick("classify", data, "--out", classifier).returncode == 0  # which writes it anew
    assert weights.read_bytes() == whole and card.read_text() == told


def test_images_that_cannot_be_answered(quick: Cli, classifier: Path, tmp_path: Path) -> None:
    Image.new("RGB", (9, 8)).save(tmp_path / "wide.png")
    refused(quick("predict", classifier, "wide.png"), 2, "8x9 RGB", "trained on 8x8 L", "--resize")
    assert quick("predict", classifier, "wide.png", "--resize").returncode == 0
    (tmp_path / "torn.png").write_bytes((tmp_path / "wide.png").read_bytes()[:30])
    refused(quick("predict", classifier, "torn.png"), 1, "nothing usable in torn.png")
    refused(quick("predict", classifier, "none.png"), 2, "there is no 'none.png'")


def test_a_classifier_that_diverges_keeps_the_last_good_checkpoint(quick: Cli, data: Path) -> None:
    done = quick("classify", data, "--out", "wild", "--lr", "1e30", "--weight-decay", "0", *FEW)
    refused(done, 1, "The last good checkpoint is wild/checkpoints/", "lower --lr")


def test_a_classifier_is_trained_on_one_process(quick: Cli, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused(quick("classify", data, "--labels", 9, *FEW), 2, "one process", "without torchrun")
