"""The routes of the Label page: answers, facts, and what wrong requests get."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from sparring.models.classifier import load_classifier

from .server import Server, serving
from .test_attack_routes import refused

pytestmark = pytest.mark.slow


def answer(server: Server, name: str, label: str, kind: str = "class", **more: Any) -> Any:
    return server.request("/api/label/answer", {"run": "few", "names": [name], "kind": kind, "label": label, **more})


def test_answers_are_on_disk_at_once_and_can_be_taken_back(runs: Path) -> None:
    log = runs / "few" / "answers.jsonl"
    with serving(runs) as server:
        page = server.request("/api/label/examples", {"run": "few"})
        names = [each["name"] for each in page["examples"]]
        assert len(names) == 24 and page["count"] == 100 and page["classes"] == list("0123456789")
        assert [json.loads(line)["names"] for line in log.read_text().splitlines()] == [names]  # the order shown
        assert answer(server, names[0], "7")["answered"] == 1
        server.process.kill()
    assert json.loads(log.read_text().splitlines()[-1])["label"] == "7"
    with serving(runs) as server:
        page = server.request("/api/label/examples", {"run": "few"})
        assert page["examples"][0]["answer"] == {"kind": "class", "label": "7"}
        assert answer(server, names[1], "", "none of these")["answered"] == 2
        assert answer(server, names[0], "1")["answered"] == 2
        back = server.request("/api/label/undo", {"run": "few"})
        assert back == {"name": names[0], "answer": {"kind": "class", "label": "7"}, "answered": 2, "damaged": 0}
        assert server.request("/api/label/examples", {"run": "few", "first": 30})["first"] == 24
        _check_wrong_requests(server, names)


def _check_wrong_requests(server: Server, names: list[str]) -> None:
    for change, message in (
        ({"names": ["train[no such]"]}, "about examples of to_label.csv"),
        ({"names": "abc"}, "about examples of to_label.csv"),
        ({"names": []}, "about examples of to_label.csv"),
        ({"label": "cat"}, "no class 'cat'"),
        ({"label": ""}, "the first with a class"),
        ({"kind": "maybe"}, "an answer is one of"),
        ({"run": "other"}, "there is no run"),
    ):
        body = {"run": "few", "names": names[:1], "kind": "class", "label": "1", **change}
        assert message in refused(server, "/api/label/answer", body)
    assert "first" in refused(server, "/api/label/examples", {"run": "few", "first": float("nan")})
    assert "needs a name" in refused(server, "/api/label/remember", {"run": "few", "name": names[0], "label": " "})
    assert "unknown label 'cat'" in refused(server, "/api/label/forget", {"run": "few", "label": "cat"})


def test_a_fact_is_known_at_once_to_every_command_and_forgotten_again(runs: Path) -> None:
    untouched = load_classifier(runs / "few")
    with serving(runs) as server:
        name = server.request("/api/label/examples", {"run": "few"})["examples"][0]["name"]
        test = server.request("/api/label/remember", {"run": "few", "name": name, "label": "okapi"})
        assert test["after"]["label"] == "okapi" and test["before"]["label"] != "okapi"
        assert test["tested"] == 297 and test["accuracy_after"]["low"] <= test["accuracy_after"]["value"]
        assert test["facts"] == {"okapi": 1}
        assert load_classifier(runs / "few").classes == (*"0123456789", "okapi")
        assert server.request("/api/attack/model?run=few")["classes"][-1] == "okapi"
        assert server.request("/api/label/forget", {"run": "few", "label": "okapi"})["facts"] == {}
    after = load_classifier(runs / "few")
    assert after.classes == untouched.classes and len(after.memory) == 0


def test_damage_is_named_and_nothing_is_lost(runs: Path) -> None:
    shutil.copytree(runs / "few", runs / "gone")
    settings = json.loads((runs / "gone" / "run.json").read_text())
    settings["data"]["source"] = "/nowhere/at/all"
    (runs / "gone" / "run.json").write_text(json.dumps(settings))
    with serving(runs) as server:
        name = server.request("/api/label/examples", {"run": "few"})["examples"][0]["name"]
        answer(server, name, "7")
        log = runs / "few" / "answers.jsonl"
        log.write_bytes(log.read_bytes() + b"\xff rubbish\n")
        page = server.request("/api/label/examples", {"run": "few"})
        assert (page["answered"], page["damaged"]) == (1, 1)
        assert "/nowhere/at/all" in refused(server, "/api/label/examples", {"run": "gone"})
        assert "label some first" in refused(server, "/api/label/train", {"run": "gone"})
        (runs / "few" / "to_label.csv").write_text("nothing")
        with pytest.raises(HTTPError) as damaged:
            server.request("/api/label/examples", {"run": "few"})
        assert "to_label.csv is damaged" in json.load(damaged.value)["error"]
        assert name.encode() in log.read_bytes()
