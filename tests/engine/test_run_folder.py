import os
import random
from pathlib import Path

import pytest
import torch
from PIL import Image
from small_game import CPU, BatchLoader, make, same, tensors

from sparring.engine import run_folder as module
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.loop import System, play
from sparring.engine.run_folder import KEPT_CHECKPOINTS, Run


def played(images: int) -> System:
    system = make()
    play(system, BatchLoader(), total=160, hardware=CPU, should_stop=iter([False] * (images // 8) + [True]).__next__)
    return system


def tear(folder: Path) -> None:
    path = folder / "players.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


# settings


def test_settings_are_written_and_missing_ones_reported(tmp_path: Path) -> None:
    run = Run(tmp_path / "a")
    assert not run.exists
    with pytest.raises(UsageError, match=r"no run folder.*sparring train"):
        _ = run.settings
    run.write_settings({"seed": 3, "name": "ä"})
    assert run.exists and run.settings == {"format": module.FORMAT, "seed": 3, "name": "ä"}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '"format"', "\x00\x01"])
def test_a_damaged_run_json_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(SparringError, match=r"run\.json is damaged"):
        _ = Run(tmp_path).settings


def test_a_run_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(SparringError, match=r"format 99.*reads format 2"):
        _ = Run(tmp_path).settings


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        Run(tmp_path / "full").check_writable()
    with pytest.raises(UsageError, match="is a file"):
        Run(tmp_path / "full" / "thesis.doc").check_writable()
    for odd in (tmp_path / "full" / "thesis.doc" / "below", tmp_path / ("x" * 300)):
        assert not Run(odd).exists
        with pytest.raises(SparringError, match="Choose another path"):
            Run(odd).check_writable()
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.doc"]


def test_check_writable_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Run("runs/one").check_writable()  # as without --out
    Run(tmp_path / "a" / "b" / "c").check_writable()
    assert not list(tmp_path.iterdir())
    (tmp_path / "empty").mkdir()
    Run(tmp_path / "empty").check_writable()
    assert not list((tmp_path / "empty").iterdir())
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(SparringError, match="Choose another path"):
        Run(tmp_path / "nowhere" / "run").check_writable()


def test_temporary_files_of_a_killed_start_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".run.json.3.tmp").write_text("{")
    (tmp_path / "a" / ".trial.tmp").write_text("")
    run = Run(tmp_path / "a")
    run.check_writable()
    assert not run.exists
    run.write_settings({})
    assert run.exists


# metrics


def test_metrics_skip_incomplete_lines_and_merge_repeated_ones(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.metrics() == []
    run.log(0, {"a": 1.0})
    run.log(64, {"a": 2.0})
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b'{"nimg": 128, "a"')  # a kill
    run.log(64, {"a": 3.0})  # resumed, played again
    run.log(64, {"b": 4.0})
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b'\n[1]\nnull\n{"a": 1}\n{"nimg": null}\n\xff\xfe\n\x00\x00\x00')
    run.log(32, {"a": 5.0})
    assert run.metrics() == [{"nimg": 0, "a": 1.0}, {"nimg": 32, "a": 5.0}, {"nimg": 64, "a": 3.0, "b": 4.0}]


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_kill_at_any_byte_loses_one_line(tmp_path: Path, cut: int) -> None:
    run = Run(tmp_path)
    for nimg in (0, 8, 16):
        run.log(nimg, {"a": nimg / 2})
    path = tmp_path / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    run.log(24, {"a": 12.0})
    found = [line["nimg"] for line in run.metrics()]
    assert found == ([0, 8, 16, 24] if cut == 1 else [0, 8, 24])


# pictures


def test_frames_in_order_of_images(tmp_path: Path) -> None:
    run = Run(tmp_path)
    order = [0, 64, 999_999_999, 1_000_000_000, 20_000_000_000]
    for k, nimg in enumerate(random.Random(0).sample(order, len(order))):
        run.save_frame(nimg, Image.new("L", (8, 8), k * 50))
    (tmp_path / "samples" / "mine.png").write_text("a guest")
    assert [int(p.stem) for p in run.frames()] == order
    with Image.open(run.frames()[1]) as picture:
        assert f"run {tmp_path.name}, image 64" in picture.info["Description"]
    with Image.open(run.write_film()) as film:
        assert film.n_frames == len(order)  # type: ignore[attr-defined]


# checkpoints


def test_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    run, system = Run(tmp_path), make()
    for nimg in (0, 8, 16, 24, 999_999_992, 1_000_000_000, 1_000_000_008):
        run.save(system, nimg)
        assert int(run.checkpoints()[-1].name) == nimg
    assert [int(p.name) for p in run.checkpoints()] == [999_999_992, 1_000_000_000, 1_000_000_008]
    assert len(run.checkpoints()) == KEPT_CHECKPOINTS


def test_the_best_checkpoint_is_kept(tmp_path: Path) -> None:
    run, system = Run(tmp_path), played(0)
    assert run.best is None
    for nimg in range(8):
        if nimg in (1, 3):
            run.mark_best(nimg, "distance", 0.5 / nimg)
        run.save(system, nimg)
    assert [int(p.name) for p in run.checkpoints()] == [3, 5, 6, 7]
    assert run.best == {"format": module.FORMAT, "nimg": 3, "score": "distance", "value": 0.5 / 3}


def test_weights_of_a_checkpoint(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for nimg in (0, 16, 32):
        run.mark_best(0, "distance", 1.0)
        run.save(played(nimg), nimg)
    whole = {nimg: played(nimg) for nimg in (0, 32)}
    for which, nimg in (("best", 0), ("last", 32), ("0", 0), (32, 32)):
        average = whole[nimg].ema.net.state_dict()
        found = run.weights(which)
        assert found.keys() == average.keys()
        assert all(torch.equal(found[k], average[k]) for k in found)
        playing = whole[nimg].game.players["generator"].state_dict()
        found = run.weights(which, raw=True)
        assert found.keys() == playing.keys()
        assert all(torch.equal(found[k], playing[k]) for k in found)


def test_missing_checkpoints(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(UsageError, match=r"there is no checkpoint 'last'.*: none"):
        run.weights()
    run.save(played(0), 0)
    run.save(played(16), 16)
    with pytest.raises(UsageError, match=r"no checkpoint is marked as the best.*: 0, 16"):
        run.weights("best")
    for odd in (17, "17", "²", "../16", "-1", ""):
        with pytest.raises(UsageError, match=r"no checkpoint .*: 0, 16"):
            run.weights(odd)
    tear(run.checkpoints()[-1])
    with pytest.raises(SparringError, match=r"players\.safetensors is damaged.*--checkpoint"):
        run.weights(raw=True)


def test_a_new_folder_has_no_checkpoints(tmp_path: Path) -> None:
    assert Run(tmp_path).load_latest(make()) is None


def test_a_checkpoint_is_written_once(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(played(8), 8)
    before = {p.name: p.stat().st_mtime_ns for p in run.checkpoints()[0].iterdir()}
    run.save(make(), 8)
    assert before == {p.name: p.stat().st_mtime_ns for p in run.checkpoints()[0].iterdir()}


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(tmp_path: Path) -> None:
    run = Run(tmp_path)
    older = played(8)
    run.save(older, 8)
    run.save(played(16), 16)
    tear(run.checkpoints()[-1])
    system = make()
    assert run.load_latest(system) == 8
    assert same(tensors(system), tensors(older))
    (warning,) = run.warnings
    assert "000000016 is damaged" in warning and "players.safetensors" in warning
    run.save(played(16), 16)
    assert [int(p.name) for p in run.checkpoints()] == [8, 16]
    assert Run(tmp_path).load_latest(make()) == 16


def test_only_damaged_checkpoints_are_an_error_each_time(tmp_path: Path) -> None:
    """And never a silent start from nothing."""
    run = Run(tmp_path)
    for images in (8, 16):
        run.save(played(images), images)
        tear(run.checkpoints()[-1])
    for _ in range(2):
        with pytest.raises(SparringError, match=r"all 2 checkpoints .* are damaged: start again with another --out"):
            Run(tmp_path).load_latest(make())
    assert len(run.checkpoints()) == 2


def test_a_mismatch_is_an_error_that_changes_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(played(8), 8)
    with pytest.raises(SparringError, match=r"does not fit: generator\.norm"):
        run.load_latest(make(plain=True))
    assert run.load_latest(make()) == 8 and run.warnings == []


def test_temporary_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_settings({})
    run.save(make(), 0)
    (tmp_path / "samples").mkdir()
    left = [
        "checkpoints/.000000064.77.tmp/players.safetensors",
        "samples/.000000064.png.7.tmp",
        ".generator.json.7.tmp",
        ".film.webp.8.tmp",
    ]
    for name in left:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    mine = tmp_path / ".samples-0.png.9.tmp"  # `sparring sample` at work in another process
    mine.write_text("half")
    (tmp_path / "checkpoints" / "000000064").mkdir()  # half removed, or half copied here
    assert run.load_latest(make()) == 0
    assert mine.exists() and not any((tmp_path / name).exists() for name in left)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, good = Run(tmp_path), played(8)
    run.save(good, 8)
    full = OSError(28, "No space left on device")

    def fail(handle: int) -> None:
        raise full

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SparringError, match=r"the disk is full: .*000000016"):
        run.save(played(16), 16)
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["000000008"]
    system = make()
    assert run.load_latest(system) == 8 and same(tensors(system), tensors(good))


def test_results_are_read_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.read_json("evaluation") is None
    run.write_json("evaluation", {"score": 1.5})
    assert run.read_json("evaluation") == {"format": module.FORMAT, "score": 1.5}
    for text, words in (("{", "damaged or no evaluation file"), ('{"format": 7}', "format 7")):
        (tmp_path / "evaluation.json").write_text(text)
        with pytest.raises(SparringError, match=words):
            run.read_json("evaluation")


def test_a_folder_of_candidates_names_them(tmp_path: Path) -> None:
    (tmp_path / "candidates" / "plain").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"name one of those in .*candidates"):
        _ = Run(tmp_path).settings
