"""The routes of the Label page: answers, facts, and what wrong requests get."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sparring.models.classifier import load_classifier

from ..browser import serving
from ..client import Client, refused

pytestmark = pytest.mark.slow


def answer(client: Client, name: str, label: str, kind: str = "class") -> Any:
    return client.post("label/answer", run="few", names=[name], kind=kind, label=label)


def test_an_answer_survives_the_server(runs: Path) -> None:
    log = runs / "few" / "answers.jsonl"
    with serving(runs) as server:
        names = [each["name"] for each in server.request("/api/label/examples", {"run": "few"})["examples"]]
        assert [json.loads(line)["names"] for line in log.read_text().splitlines()] == [names]  # the order shown
        body = {"run": "few", "names": names[:1], "kind": "class", "label": "7"}
        assert server.request("/api/label/answer", body)["answered"] == 1
        server.process.kill()
    assert json.loads(log.read_text().splitlines()[-1])["label"] == "7"
    again = Client(runs).post("label/examples", run="few")
    assert again["examples"][0]["answer"] == {"kind": "class", "label": "7"}


def test_answers_are_counted_and_can_be_taken_back(runs: Path) -> None:
    client = Client(runs)
    page = client.post("label/examples", run="few")
    names = [each["name"] for each in page["examples"]]
    assert len(names) == 24 and page["count"] == 100 and page["classes"] == list("0123456789")
    answer(client, names[0], "7")
    assert answer(client, names[1], "", "none of these")["answered"] == 2
    assert answer(client, names[0], "1")["answered"] == 2
    back = client.post("label/undo", run="few")
    assert back == {"name": names[0], "answer": {"kind": "class", "label": "7"}, "answered": 2, "damaged": 0}
    assert client.post("label/examples", run="few", first=30)["first"] == 24
    _check_wrong_requests(client, names)


def _check_wrong_requests(client: Client, names: list[str]) -> None:
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
        assert message in refused(client, "label/answer", body)
    assert "first" in refused(client, "label/examples", {"run": "few", "first": float("nan")})
    assert "needs a name" in refused(client, "label/remember", {"run": "few", "name": names[0], "label": " "})
    assert "unknown label 'cat'" in refused(client, "label/forget", {"run": "few", "label": "cat"})


def test_a_fact_is_known_at_once_to_every_command_and_forgotten_again(runs: Path) -> None:
    untouched, client = load_classifier(runs / "few"), Client(runs)
    name = client.post("label/examples", run="few")["examples"][0]["name"]
    test = client.post("label/remember", run="few", name=name, label="okapi")
    assert test["after"]["label"] == "okapi" and test["before"]["label"] != "okapi"
    assert test["tested"] == 297 and test["accuracy_after"]["low"] <= test["accuracy_after"]["value"]
    assert test["facts"] == {"okapi": 1}
    assert load_classifier(runs / "few").classes == (*"0123456789", "okapi")
    assert client.get("attack/model", run="few")["classes"][-1] == "okapi"
    assert client.post("label/forget", run="few", label="okapi")["facts"] == {}
    after = load_classifier(runs / "few")
    assert after.classes == untouched.classes and len(after.memory) == 0


def test_damage_is_named_and_nothing_is_lost(runs: Path) -> None:
    shutil.copytree(runs / "few", runs / "gone")
    settings = json.loads((runs / "gone" / "run.json").read_text())
    settings["data"]["source"] = "/nowhere/at/all"
    (runs / "gone" / "run.json").write_text(json.dumps(settings))
    client = Client(runs)
    name = client.post("label/examples", run="few")["examples"][0]["name"]
    answer(client, name, "7")
    log = runs / "few" / "answers.jsonl"
    log.write_bytes(log.read_bytes() + b"\xff rubbish\n")
    page = client.post("label/examples", run="few")
    assert (page["answered"], page["damaged"]) == (1, 1)
    assert "/nowhere/at/all" in refused(client, "label/examples", {"run": "gone"})
    assert "label some first" in refused(client, "label/train", {"run": "gone"})
    (runs / "few" / "to_label.csv").write_text("nothing")
    damaged = client.send("POST", "label/examples", json={"run": "few"})
    assert damaged.status_code == 500 and "to_label.csv is damaged" in damaged.json()["error"]
    assert name.encode() in log.read_bytes()
