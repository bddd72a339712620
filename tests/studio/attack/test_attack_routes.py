"""The routes of the attack playground: what a page sends, and what wrong requests get."""

from __future__ import annotations

import io
import json
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ..client import Client, refused

pytestmark = pytest.mark.slow


def test_an_example_is_attacked_and_wrong_requests_are_named(runs: Path) -> None:
    client = Client(runs)
    assert [each["name"] for each in client.get("classifiers")] == ["few"]
    model = client.get("attack/model", run="few", first="24")
    assert [each["number"] for each in model["examples"]] == list(range(24, 48))
    assert model["count"] == 297 and model["classes"] == list("0123456789") and not model["missing"]
    sliders = {"run": "few", "example": 3, "norm": "Linf", "eps": 0.3, "steps": 10}
    trial = client.post("attack", **sliders)
    assert trial["success"] and len(trial["answers"]) == 2 and 0 < trial["budget"] <= 0.3001
    assert trial["answers"][1]["likeliest"] != trial["label"]
    smallest = client.post("attack/smallest", run="few", example=3, norm="Linf")["budget"]
    assert 0 <= smallest <= 0.3
    assert client.post("attack", **sliders) == trial
    _check_wrong_requests(client)


def _check_wrong_requests(client: Client) -> None:
    for change, message in (
        ({"run": "../few"}, "there is no run"),
        ({"run": "few", "example": 297}, "example = 297"),
        ({"run": "few", "example": -1}, "example = -1"),
        ({"run": "few", "example": float("nan")}, "example = nan"),
        ({"run": "few", "example": 1, "eps": float("nan")}, "eps = nan"),
        ({"run": "few", "example": 1, "eps": 1e9}, "eps = 1"),
        ({"run": "few", "example": 1, "norm": "L7"}, "choose Linf or L2"),
        ({"run": "few", "example": 1, "steps": 1e9}, "steps"),
        ({"run": "few", "example": 1, "target": "cat"}, "no class 'cat'"),
        ({"run": "few", "own": "../../few/run"}, "not kept any more"),
        ({"run": ["few"]}, "'run' has to be a text"),
    ):
        assert message in refused(client, "attack", change)
    assert "trained without noise" in refused(client, "attack/certificate", {"run": "few", "example": 1})
    huge = {"run": "few", "width": 100_000, "height": 100_000, "ink": "AAAA"}
    assert "at most 1024x1024" in refused(client, "attack/draw", huge)
    assert "nothing is drawn" in refused(
        client, "attack/draw", {"run": "few", "width": 2, "height": 2, "ink": "AAAAAA=="}
    )
    assert "no base64" in refused(client, "attack/draw", {"run": "few", "width": 2, "height": 2, "ink": "%"})


def test_drawings_and_files_are_examples_too(runs: Path) -> None:
    ink = np.zeros((280, 280), np.uint8)
    ink[20:260, 120:160] = 255
    client = Client(runs)
    body = {"run": "few", "width": 280, "height": 280, "ink": b64encode(ink.tobytes()).decode()}
    drawing = client.post("attack/draw", **body)
    assert (drawing["view"]["width"], drawing["view"]["height"]) == (8, 8)
    trial = client.post("attack", run="few", own=drawing["own"], eps=0.1)
    assert trial["label"] == "" and trial["answers"][0]["label"]
    sent = io.BytesIO()
    Image.fromarray(ink).save(sent, "PNG")
    assert len(_upload(client, "one.png", sent.getvalue()).json()["own"]) == 16
    wrong = _upload(client, "notes.png", b"no picture")
    assert wrong.status_code >= 400 and "notes.png" in wrong.json()["error"]
    assert not list((runs / ".studio" / "uploads").glob("*"))  # the one example is kept, the file is not


def _upload(client: Client, name: str, content: bytes) -> Any:
    headers = {"content-type": "application/octet-stream"}
    return client.send("POST", f"attack/upload?run=few&name={name}", content=content, headers=headers)


def test_runs_without_a_classifier_or_with_damage_are_named(runs: Path) -> None:
    for name in ("generator", "gone", "broken"):
        shutil.copytree(runs / "few", runs / name)
    (runs / "generator" / "classifier.json").unlink()
    (runs / "generator" / "classifier.safetensors").unlink()
    settings = json.loads((runs / "gone" / "run.json").read_text())
    settings["data"]["source"] = "/nowhere/at/all"
    (runs / "gone" / "run.json").write_text(json.dumps(settings))
    (runs / "broken" / "classifier.safetensors").write_bytes(b"x" * 100)
    client = Client(runs)
    assert [each["name"] for each in client.get("classifiers")] == ["broken", "few", "gone"]
    message = refused(client, "attack", {"run": "generator", "example": 1})
    assert "classifier" in message
    gone = client.get("attack/model", run="gone")
    assert "/nowhere/at/all" in gone["missing"] and gone["examples"] == []
    assert "/nowhere/at/all" in refused(client, "attack", {"run": "gone", "example": 1})
    damaged = client.send("POST", "attack", json={"run": "broken", "example": 1})
    assert damaged.status_code == 500 and "damaged" in damaged.json()["error"]
