"""`restore` on small pictures: every task and mode, exact resume, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.commands.reporting.progress import Progress
from sparring.commands.restore import restore
from sparring.commands.restoring import setup
from sparring.commands.restoring.fitting import Plan
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import SparringError, UsageError
from sparring.restoration import prior

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
QUIET = Progress(quiet=True)
STEPS = 6


def pixels(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A smooth picture with an edge and some noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / max(height, width)
    values = np.stack([80 + 90 * x * (k + 1) / channels + 60 * (y > 0.4) for k in range(channels)], -1)
    return (values + rng.normal(0, 8, values.shape)).clip(0, 255).astype(np.uint8)


def write(path: Path, height: int = 40, width: int = 33, mode: str = "RGB") -> Path:
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
    if mode == "P":
        Image.fromarray(pixels(height, width)).quantize(16).save(path)
    elif mode == "I;16":
        Image.fromarray(pixels(height, width, 1)[..., 0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(pixels(height, width, channels[mode]).squeeze()).save(path)
    return path


def write_mask(path: Path, height: int = 40, width: int = 33) -> Path:
    mask = np.full((height, width), 255, np.uint8)
    mask[height // 2 : height // 2 + 3, 5:-5] = 0
    Image.fromarray(mask).save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_mask(tmp_path / "mask.png")
    return write(tmp_path / "photo.png")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_every_mode_of_picture_keeps_its_size_and_known_pixels(mode: str, tmp_path: Path) -> None:
    source = write(tmp_path / "photo.png", mode=mode)
    before = source.read_bytes()
    mask = write_mask(tmp_path / "mask.png")
    result = restore(source, mask=mask, steps=STEPS, out=tmp_path / "run", progress=QUIET)
    with Image.open(result.restored) as restored, Image.open(source) as original, Image.open(mask) as known:
        expected = {"P": "RGB", "I;16": "L"}.get(mode, mode)
        assert restored.mode == expected and restored.size == original.size == (33, 40)
        if mode == "I;16":
            original = Image.fromarray((np.asarray(original) >> 8).astype(np.uint8))
        same = np.asarray(restored) == np.asarray(original.convert(expected))
        assert same[np.asarray(known) > 0].all() and not same[np.asarray(known) == 0].all()
        assert expected[-1] != "A" or same[..., -1].all()
    assert source.read_bytes() == before


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 70), (65, 64)])
@pytest.mark.parametrize("task", [{"noise": 10.0}, {"noise": ()}, {"scale": 2}, {"scale": 4}, {"jpeg": True}])
def test_every_task_at_any_size(task: dict[str, object], height: int, width: int, tmp_path: Path) -> None:
    source = write(tmp_path / "photo.png", height, width)
    result = restore(source, steps=2, out=tmp_path / "run", progress=QUIET, **task)  # type: ignore[arg-type]
    factor = task.get("scale", 1)
    with Image.open(result.restored) as image:
        assert image.size == (width * factor, height * factor)  # type: ignore[operator]
    assert (result.sigma is not None) == ("noise" in task)
    assert "Before and after" in Path(result.report).read_text()


def test_wide_holes_and_regions(tmp_path: Path) -> None:
    source, mask = write(tmp_path / "photo.png", 64, 300), np.full((64, 300), 255, np.uint8)
    mask[10:50, 100:140] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    result = restore(source, mask=tmp_path / "mask.png", steps=2, out=tmp_path / "run", progress=QUIET)
    assert any("only the part around the holes is fitted: 168x64" in note for note in result.notes)
    same = np.asarray(Image.open(result.restored)) == np.asarray(Image.open(source))
    assert same[mask > 0].all() and same.shape == (64, 300, 3)


def test_thin_holes_are_filled_better_than_by_their_mean(tmp_path: Path) -> None:
    source, mask = write(tmp_path / "photo.png", 64, 64), write_mask(tmp_path / "mask.png", 64, 64)
    result = restore(source, mask=mask, steps=30, out=tmp_path / "run", progress=QUIET)
    truth, restored = (np.asarray(Image.open(path), np.float64) for path in (source, result.restored))
    hole = np.asarray(Image.open(mask)) == 0
    assert np.sqrt(np.mean((truth - restored)[hole] ** 2)) < 20  # the noise alone gives 8, the mean of the picture 35


def stopping(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the process, as Ctrl-C does, at this step of all levels together."""
    import os
    import signal

    whole, left = prior.Fit.record, [after]

    def record(self: prior.Fit, *args: object) -> None:
        whole(self, *args)  # type: ignore[arg-type]
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(prior.Fit, "record", record)


@pytest.mark.parametrize("after", [2, 5, 8])
@pytest.mark.parametrize("task", [{"mask": "mask.png"}, {"noise": 8.0}])
def test_a_stopped_call_goes_on_to_the_same_bytes(
    task: dict[str, object], after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup, "COARSE_SIDE_PIXELS", 16)  # a coarse level of 3 steps
    write(tmp_path / "photo.png")
    write_mask(tmp_path / "mask.png")

    def run(out: str) -> dict[str, bytes]:
        restore("photo.png", steps=STEPS, seed=3, out=out, progress=QUIET, **task)  # type: ignore[arg-type]
        return {name: Path(out, name).read_bytes() for name in ("restored.png", "metrics.jsonl")}

    whole = run("whole")
    with monkeypatch.context() as patched:
        stopping(after, patched)
        with pytest.raises(Stopped, match=r"all is saved\. Continue with: sparring restore photo\.png --"):
            run("stopped")
    assert run("stopped") == whole
    first, second = (json.loads(Path(out, "restoration.json").read_text()) for out in ("whole", "stopped"))
    assert {**first, "run": "", "restored": "", "report": ""} == {**second, "run": "", "restored": "", "report": ""}


def test_a_finished_call_is_not_repeated_and_another_is_refused(photo: Path) -> None:
    out = photo.parent / "run"
    first = restore(photo, noise=8, steps=2, out=out, progress=QUIET)
    stamp = (out / "restored.png").stat().st_mtime_ns
    assert restore(photo, noise=8, out=out, progress=QUIET) == first
    assert (out / "restored.png").stat().st_mtime_ns == stamp
    assert not (out / "checkpoints").exists()
    with pytest.raises(UsageError, match=r"sigma is 8\.0 there, 9\.0 was requested; seed is 0 there, 1 was requested"):
        restore(photo, noise=9, seed=1, out=out, progress=QUIET)
    write(photo, 40, 34)
    with pytest.raises(UsageError, match="holds another restoration: picture is"):
        restore(photo, noise=8, out=out, progress=QUIET)


def test_the_seed_decides(photo: Path) -> None:
    out = photo.parent
    pictures = [
        Path(restore(photo, noise=8, steps=2, seed=seed, out=out / f"{k}", progress=QUIET).restored).read_bytes()
        for k, seed in enumerate([0, 0, 1])
    ]
    assert pictures[0] == pictures[1] != pictures[2]


def test_the_plan_fits_the_minutes() -> None:
    plan = Plan.in_minutes(5, 0.5, coarse=0.5)
    assert plan.steps * 0.5 + plan.coarse_steps * 0.125 <= 300 < (plan.steps + 2) * 0.5 + plan.coarse_steps * 0.125
    assert plan.advice() == "" and "--minutes 4" in Plan.in_minutes(1, 0.5, coarse=0.0).advice()


BAD = [
    (["photo.png"], 2, ["nothing is requested", "--mask M, --noise, --scale 2"]),
    (["photo.png", "--jpeg", "--scale", "2"], 2, ["--scale and --jpeg exclude each other"]),
    (["photo.png", "--scale", "3"], 2, ["--scale must be 2 or 4, not 3"]),
    (["photo.png", "--noise", "-1"], 2, ["--noise", "above 0"]),
    (["photo.png", "--noise", "1", "2"], 2, ["--noise takes one number, not 2"]),
    (["photo.png", "--jpeg", "--minutes", "0"], 2, ["--minutes must be above 0"]),
    (["photo.png", "--jpeg", "--minutes", "1", "--steps", "2"], 2, ["--minutes and --steps exclude each other"]),
    (["photo.png", "--jpeg", "--steps", "0"], 2, ["--steps must be 1 or more"]),
    (["photo.png", "--jpeg", "--seed", "-1"], 2, ["--seed"]),
    (["none.png", "--jpeg"], 2, ["there is no 'none.png'"]),
    ([".", "--jpeg"], 2, ["is a folder"]),
    (["photo.png", "--mask", "none.png"], 2, ["there is no 'none.png'"]),
    (["photo.png", "--jpeg", "--out", "photo.png"], 2, ["photo.png is a file"]),
    (["wide.png", "--mask", "mask.png"], 2, ["mask.png is 33x40", "wide.png is 50x40"]),
    (["photo.png", "--mask", "white.png"], 2, ["leaves nothing to fill"]),
    (["photo.png", "--mask", "black.png"], 2, ["leaves nothing known"]),
    (["one.png", "--jpeg"], 2, ["one.png is 1x1", "16 pixels or more"]),
    (["moving.gif", "--jpeg"], 2, ["moving.gif holds 2 pictures"]),
    (["text.png", "--jpeg"], 1, ["text.png"]),
    (["torn.png", "--jpeg"], 1, ["torn.png cannot be decoded"]),
    (["empty.png", "--jpeg"], 1, ["empty.png is empty"]),
    (["grey.png", "--noise"], 2, ["grey.png has no white noise", "--noise 10"]),
    (["float.tif", "--jpeg"], 1, ["float.tif holds numbers that are no 16-bit levels"]),
]


@pytest.mark.parametrize(("args", "code", "words"), BAD, ids=[" ".join(args) for args, _, _ in BAD])
def test_bad_input(args: list[str], code: int, words: list[str], photo: Path, quick: Cli) -> None:
    folder = photo.parent
    write(folder / "wide.png", 40, 50)
    for name, value in (("white", 255), ("black", 0), ("grey", 90)):
        Image.new("L", (33, 40), value).save(folder / f"{name}.png")
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    frames = [Image.fromarray(pixels(20, 20)), Image.fromarray(pixels(20, 20)[::-1])]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (folder / "text.png").write_text("a picture of a cat")
    (folder / "torn.png").write_bytes(photo.read_bytes()[:900])
    (folder / "empty.png").write_bytes(b"")
    Image.fromarray(np.linspace(-3, 70000, 400, dtype=np.float32).reshape(20, 20)).save(folder / "float.tif")
    before = set(folder.iterdir())
    done = quick("restore", *args, "--device", "cpu")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    for word in words:
        assert word in done.stderr
    assert {path for path in folder.iterdir() if path.name not in ("cache", "runs")} <= before


def test_forty_megapixels_are_refused_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (8000, 5000)).save(tmp_path / "large.png")
    monkeypatch.setattr(setup, "memory_available", lambda: 8_000_000_000)
    monkeypatch.setattr(setup, "read_picture", lambda path: pytest.fail("it was decoded"))
    with pytest.raises(
        SparringError, match=r"has 40\.0 megapixels: .* needs about \d+ GB .* 8\.0 GB are free\. \d+x\d+ fits"
    ):
        restore(tmp_path / "large.png", jpeg=True, progress=QUIET)


def test_a_mask_of_more_than_two_values_names_the_threshold(photo: Path) -> None:
    levels = np.tile(np.linspace(255, 90, 33).astype(np.uint8), (40, 1))
    Image.fromarray(levels).save(photo.parent / "mask.png")
    result = restore(photo, mask=photo.parent / "mask.png", steps=2, out=photo.parent / "run", progress=QUIET)
    assert any("33 grey levels: pixels of 128 or more count as known" in note for note in result.notes)


def test_one_colour(tmp_path: Path) -> None:
    Image.new("RGB", (33, 40), (10, 200, 30)).save(tmp_path / "photo.png")
    mask = write_mask(tmp_path / "mask.png")
    result = restore(tmp_path / "photo.png", mask=mask, steps=2, out=tmp_path / "run", progress=QUIET)
    assert any("is of one colour" in note for note in result.notes)
    assert np.abs(np.asarray(Image.open(result.restored), int) - [10, 200, 30]).max() <= 25


def test_the_command_line_prints_text_and_json(photo: Path, quick: Cli) -> None:
    done = quick("restore", photo, "--noise", "--steps", 2, "--out", "run", "--device", "cpu")
    assert done.returncode == 0 and "noise removed" in done.stdout and "restored run/restored.png" in done.stdout
    shutil.rmtree(photo.parent / "run")
    done = quick("restore", photo, "--noise", "8", "--steps", 2, "--out", "run", "--device", "cpu", "--json")
    assert json.loads(done.stdout)["sigma"] == pytest.approx(8)
    for command in ("doctor", "sample", "evaluate"):  # a restoration is no model
        assert "Traceback" not in quick(command, "run").stderr
    assert "is not empty" in quick("train", "digits", "--images", 32, "--out", "run").stderr
