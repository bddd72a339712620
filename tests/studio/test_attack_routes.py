"""The routes of the attack playground: what a page sends, and what wrong requests get."""

from __future__ import annotations

import io
import json
import shutil
from base64 import b64encode
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from .server import Server, serving

pytestmark = pytest.mark.slow


def refused(server: Server, path: str, body: object) -> str:
    """Return the message of a refusal, which is a wrong request and no failure of the server."""
    with pytest.raises(HTTPError) as wrong:
        server.request(path, body)
    assert wrong.value.code == 400
    return str(json.load(wrong.value)["error"])


def test_an_example_is_attacked_and_wrong_requests_are_named(runs: Path) -> None:
    with serving(runs) as server:
        assert [each["name"] for each in server.request("/api/classifiers")] == ["few"]
        model = server.request("/api/attack/model?run=few&first=24")
        assert [each["number"] for each in model["examples"]] == list(range(24, 48))
        assert model["count"] == 297 and model["classes"] == list("0123456789") and not model["missing"]
        trial = server.request("/api/attack", {"run": "few", "example": 3, "norm": "Linf", "eps": 0.3, "steps": 10})
        assert trial["success"] and len(trial["answers"]) == 2 and 0 < trial["budget"] <= 0.3001
        assert trial["answers"][1]["likeliest"] != trial["label"]
        smallest = server.request("/api/attack/smallest", {"run": "few", "example": 3, "norm": "Linf"})["budget"]
        assert 0 <= smallest <= 0.3
        same = server.request("/api/attack", {"run": "few", "example": 3, "norm": "Linf", "eps": 0.3, "steps": 10})
        assert same == trial
        _check_wrong_requests(server)


def _check_wrong_requests(server: Server) -> None:
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
        assert message in refused(server, "/api/attack", change)
    assert "trained without noise" in refused(server, "/api/attack/certificate", {"run": "few", "example": 1})
    huge = {"run": "few", "width": 100_000, "height": 100_000, "ink": "AAAA"}
    assert "at most 1024x1024" in refused(server, "/api/attack/draw", huge)
    assert "nothing is drawn" in refused(
        server, "/api/attack/draw", {"run": "few", "width": 2, "height": 2, "ink": "AAAAAA=="}
    )
    assert "no base64" in refused(server, "/api/attack/draw", {"run": "few", "width": 2, "height": 2, "ink": "%"})


def test_drawings_and_files_are_examples_too(runs: Path) -> None:
    ink = np.zeros((280, 280), np.uint8)
    ink[20:260, 120:160] = 255
    with serving(runs) as server:
        body = {"run": "few", "width": 280, "height": 280, "ink": b64encode(ink.tobytes()).decode()}
        drawing = server.request("/api/attack/draw", body)
        assert (drawing["view"]["width"], drawing["view"]["height"]) == (8, 8)
        trial = server.request("/api/attack", {"run": "few", "own": drawing["own"], "eps": 0.1})
        assert trial["label"] == "" and trial["answers"][0]["label"]
        sent = io.BytesIO()
        Image.fromarray(ink).save(sent, "PNG")
        assert len(_upload(server, "one.png", sent.getvalue())["own"]) == 16
        with pytest.raises(HTTPError) as wrong:
            _upload(server, "notes.png", b"no picture")
        assert "notes.png" in json.load(wrong.value)["error"]


def _upload(server: Server, name: str, content: bytes) -> dict[str, str]:
    headers = {"x-sparring-token": server.token, "content-type": "application/octet-stream"}
    request = Request(f"{server.url}/api/attack/upload?run=few&name={name}", content, headers)
    with urlopen(request, timeout=60) as response:
        answer: dict[str, str] = json.load(response)
        return answer


def test_runs_without_a_classifier_or_with_damage_are_named(runs: Path) -> None:
    for name in ("generator", "gone", "broken"):
        shutil.copytree(runs / "few", runs / name)
    (runs / "generator" / "classifier.json").unlink()
    (runs / "generator" / "classifier.safetensors").unlink()
    settings = json.loads((runs / "gone" / "run.json").read_text())
    settings["data"]["source"] = "/nowhere/at/all"
    (runs / "gone" / "run.json").write_text(json.dumps(settings))
    (runs / "broken" / "classifier.safetensors").write_bytes(b"x" * 100)
    with serving(runs) as server:
        assert [each["name"] for each in server.request("/api/classifiers")] == ["broken", "few", "gone"]
        message = refused(server, "/api/attack", {"run": "generator", "example": 1})
        assert "classifier" in message
        gone = server.request("/api/attack/model?run=gone")
        assert "/nowhere/at/all" in gone["missing"] and gone["examples"] == []
        assert "/nowhere/at/all" in refused(server, "/api/attack", {"run": "gone", "example": 1})
        with pytest.raises(HTTPError) as damaged:
            server.request("/api/attack", {"run": "broken", "example": 1})
        assert damaged.value.code == 500 and "damaged" in json.load(damaged.value)["error"]
