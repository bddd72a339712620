"""`sparring certify` on small images: what it writes and tells, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sparring
from sparring.commands.training.interrupt import Stopped
from sparring.measure.classifier import certified_accuracy as measure
from sparring.recipes.adversarial.fast import Fast
from sparring.recipes.adversarial.noisy import Noisy
from sparring.stats.proportion import CurvePoint

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def noisy(data: Path) -> Path:
    """A run that was trained in noise."""
    recipe = Noisy(width=4, batch_size=8, sigma=0.1)
    return Path(sparring.harden(data, recipe, images=4_000, out=data.parent / "noisy", device="cpu").run)


def test_it_brackets_test_images_and_writes_them(noisy: Path, data: Path) -> None:
    found = sparring.certify(noisy, data, draws=1000, device="cpu")
    assert (found.sigma, found.draws, found.selection) == (0.1, 1000, "12 test images")
    assert [level.eps for level in found.certified] == pytest.approx([0.05 * k for k in range(7)])
    assert len(found.rows) == 12 and found.certified[0].accuracy.hits >= 9 and found.certified[1].accuracy.hits > 0
    for sure, stands in zip(found.certified, found.attacked, strict=True):
        assert stands.accuracy.hits >= sure.accuracy.hits
    for row in found.rows:
        assert row.certified is None or row.broken is None or row.certified <= row.broken
    told = json.loads((noisy / "certify" / "report.json").read_text())
    assert told.pop("files") == ["report.html"] and told == json.loads(json.dumps(asdict(found)))
    page = (noisy / "certify" / "report.html").read_text()
    assert "Certified accuracy" in page and "x_test[0]" in page
    assert any("only 12 test images with labels: fewer than --count 500" in note for note in found.notes)


def test_an_interrupted_evaluation_goes_on(noisy: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "CHUNK_ROWS", 5)
    call = partial(sparring.certify, noisy, data, draws=200, radius=(0.0, 0.1, 0.4), device="cpu")
    whole, honest, calls = call(), measure.certify, []

    def stopping(*args: Any, **how: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return honest(*args, **how)

    monkeypatch.setattr(measure, "certify", stopping)
    with pytest.raises(Stopped, match=r"after 10 of 12 images, which are kept in .*parts: the same command"):
        call()
    assert call() == whole and len(calls) == 4
    assert not (noisy / "certify" / "parts").exists()


def test_units_are_pixels_from_0_to_1(noisy: Path, data: Path) -> None:
    """What a 10th of the noise, with hardly a draw, says is what the classifier says."""
    found = sparring.certify(noisy, data, sigma=0.001, radius=(0.0, 0.25), draws=200, count=5, device="cpu")
    assert any("trained in noise of 0.1, not 0.001" in note for note in found.notes)
    assert found.certified[0].accuracy.hits == 5 and found.certified[1].accuracy.hits == 0
    assert max(row.certified or 0 for row in found.rows) < 0.0025  # sigma times 1.8, with 200 draws of one mind
    assert found.attacked[1] == CurvePoint.count(0.25, found.attacked[1].accuracy.hits, 5)


def test_the_command_line(noisy: Path, data: Path, quick: Cli) -> None:
    words = ("certify", noisy, data, "--draws", "200", "--count", "4", "--radius", "0", "0.1", "--device", "cpu")
    done = quick(*words, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [level["eps"] for level in told["certified"]] == [0.0, 0.1] and len(told["rows"]) == 4
    done = quick(*words)
    assert "radius   certified  attacked" in done.stdout and "certify/report.html" in done.stdout


@pytest.fixture(scope="module")
def plain(data: Path) -> Path:
    """A run that was not."""
    recipe = Fast(width=4, batch_size=8, eps=0.05)
    return Path(sparring.harden(data, recipe, images=400, out=data.parent / "plain", device="cpu").run)


def test_a_run_without_noise_must_be_told_how_much(plain: Path, data: Path, quick: Cli) -> None:
    done = quick("certify", plain, data)
    assert done.returncode == 2 and "harden SOURCE --method noisy" in done.stderr and "--sigma" in done.stderr
    assert not (plain / "certify").exists()
    found = sparring.certify(plain, data, sigma=0.05, draws=100, count=3, device="cpu")
    assert any("trained by fast" in note for note in found.notes)


def test_radii_that_nobody_named_are_within_the_box(noisy: Path, data: Path) -> None:
    found = sparring.certify(noisy, data, sigma=3.0, draws=20, count=2, device="cpu")
    assert [level.eps for level in found.certified] == [0.0, 1.5, 3.0, 4.5, 6.0, 7.5]  # of 8, and 9 would follow


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--sigma", "0"], ["--sigma", "above 0"]),
        (["--sigma", "nan"], ["--sigma", "above 0"]),
        (["--count", "0"], ["--count and --draws must be 1 or more"]),
        (["--draws", "0"], ["--count and --draws must be 1 or more"]),
        (["--radius", "-1"], ["--radius is a distance of 0 or more, not -1"]),
        (["--radius", "nan"], ["--radius is a distance of 0 or more, not nan"]),
        (["--radius", "1", "90"], ["--radius 90 is beyond the whole box of pixels from 0 to 1, which is 8 across"]),
        (["--seed", "-1"], ["--seed must be 0 or more"]),
        (["--device", "cudda"], ["cudda"]),
    ],
)
def test_bad_flags(args: list[str], words: list[str], noisy: Path, data: Path, quick: Cli) -> None:
    done = quick("certify", noisy, data, *args)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_bad_sources(noisy: Path, data: Path, run: sparring.Run, tmp_path: Path, quick: Cli) -> None:
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    np.savez(tmp_path / "plain.npz", x=x)
    np.savez(tmp_path / "strange.npz", x=x, y=np.array(["0", "1", "owl"] * 2))
    np.savez(tmp_path / "large.npz", x=np.zeros((4, 9, 9), np.uint8), y=np.arange(4) % 2)
    for source, words in (
        ("plain.npz", "has no labels"),
        ("strange.npz", "has no class 'owl'"),
        ("large.npz", "--resize"),
    ):
        done = quick("certify", noisy, source)
        assert done.returncode == 2 and words in done.stderr, done.stderr
    np.savez(tmp_path / "no_test.npz", x=x, y=np.arange(6) % 3)
    found = sparring.certify(noisy / "classifier.json", tmp_path / "no_test.npz", draws=50, count=2, device="cpu")
    assert found.selection == "2 images" and any("no test image" in note for note in found.notes)
    done = quick("certify", run.path, data)
    assert done.returncode == 2 and "holds a generator" in done.stderr
    done = quick("certify", tmp_path / "nothing", data)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr


def test_conditions_are_on_the_smallest_radius_above_0(noisy: Path, data: Path, quick: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = (
        "certify",
        noisy,
        data,
        "--draws",
        "200",
        "--count",
        "4",
        "--radius",
        "0",
        "0.1",
        "--device",
        "cpu",
        "--out",
    )
    done = quick(*flags, out, "--fail-below", "0", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["settings"]["radius"] == 0.1
    done = quick(*flags, tmp_path / "again", "--fail-below", "1", "--baseline", out / "report.json", "--draws", "100")
    assert done.returncode == 2 and "was made with draws 200, and this report with 100" in done.stderr
    report = json.loads((out / "report.json").read_text())
    report["certified"][1]["accuracy"] |= {"low": 1.1, "high": 1.2}
    (out / "report.json").write_text(json.dumps(report))
    done = quick(*flags, tmp_path / "again", "--baseline", out / "report.json")
    assert done.returncode == 1 and "certified accuracy at radius 0.1 is" in done.stderr


def test_only_runs_of_images_are_certified(data: Path, quick: Cli, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("def net(x): return x.flatten(1)[:, :3]")
    done = quick("certify", "models:net", data)
    assert done.returncode == 2 and "is a model of another tool" in done.stderr
