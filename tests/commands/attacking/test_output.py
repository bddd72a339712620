from __future__ import annotations

import json
from pathlib import Path

from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.output import file_stem, output_folder, write_report


def test_files_that_only_an_earlier_report_has_are_removed(tmp_path: Path) -> None:
    write_report(tmp_path, {"a": 1}, "page", {"one.wav": b"1", "two.wav": b"2"})
    (tmp_path / "mine.wav").write_bytes(b"mine")
    write_report(tmp_path, {"a": 2}, "page", {"two.wav": b"3"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.wav", "report.html", "report.json", "two.wav"]
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 2, "files": ["two.wav", "report.html"]}


def test_a_report_that_names_other_folders_removes_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text(json.dumps({"files": ["../precious.txt", str(tmp_path / "precious.txt"), 3]}))
    write_report(out, {}, "page")
    (out / "report.json").write_text("[1, 2]")
    write_report(out, {}, "page")
    assert (tmp_path / "precious.txt").read_text() == "precious"


def test_the_folder_is_named_after_the_model() -> None:
    target = Target("some.module:net", lambda x: x)
    assert output_folder(target, "attack", None) == Path("attack-some.module-net")
    assert output_folder(target, "attack", "there") == Path("there")


def test_file_stem() -> None:
    assert file_stem("none of these/é") == "none-of-these-é"
