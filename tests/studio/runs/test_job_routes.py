"""The form of a new training: what it offers for each kind of data."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from PIL import Image

from ..client import Client


@pytest.mark.parametrize(
    ("source", "field", "recipe"), [("digits", "size", "improved"), ("people.csv", "label", "tabular_mlp")]
)
def test_the_form_offers_the_fields_and_recipes_of_the_kind(
    source: str, field: str, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{k % 70},{'f' if k % 3 else 'm'},{'yes' if k % 2 else 'no'}" for k in range(200)]
    Path("people.csv").write_text("\n".join(["age,sex,income", *lines]))
    client = Client(tmp_path)
    choices, kinds = client.get("choices"), client.post("inspect", source=source)["kinds"]
    fields = {name for name in ("size", "label") if set(choices["kinds_of_field"][name]) & set(kinds)}
    assert fields == {field}
    classifiers = {name for name, each in choices["commands"]["classify"].items() if set(each["kinds"]) & set(kinds)}
    assert classifiers & {"improved", "tabular_mlp", "speech_cnn"} == {recipe}


def test_files_of_a_set_are_one_source(tmp_path: Path) -> None:
    client, answer = Client(tmp_path), {"set": ""}
    for grey, name in enumerate(["cat/1.png", "cat/2.png", "golden retriever/1.png", "Kätzchen/1.png", "cat/1.png"]):
        answer = _sent(client, f"dropped/{name}", answer["set"], grey).json()
    folder = Path(answer["source"])
    assert folder.name == "dropped" and folder.parent.name == answer["set"]
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == [
        "Kätzchen/1.png", "cat/1-2.png", "cat/1.png", "cat/2.png", "golden retriever/1.png"
    ]  # fmt: skip
    report = client.post("inspect", source=str(folder))
    assert report["classes"] == {"Kätzchen": 1, "cat": 3, "golden retriever": 1}


def test_a_set_that_is_gone_and_a_deep_path_are_refused(tmp_path: Path) -> None:
    client = Client(tmp_path)
    gone = _sent(client, "a/b.png", "0" * 16)
    assert gone.status_code == 400 and "drop all of them again" in gone.json()["error"]
    deep = _sent(client, "/".join("abcdefghij") + ".png", "")
    assert deep.status_code == 400 and "folders deep" in deep.json()["error"]
    assert not list((tmp_path / ".studio").rglob("*.png"))


def _sent(client: Client, name: str, of: str, grey: int = 0) -> httpx.Response:
    png = io.BytesIO()
    Image.new("L", (8, 8), grey).save(png, "png")
    headers = {"content-type": "application/octet-stream"}
    return client.send("POST", f"upload?{urlencode({'name': name, 'set': of})}", content=png.getvalue(), headers=headers)
