"""What the Explore page gets from the server, for generators of each kind of data."""

from __future__ import annotations

import io
import json
import shutil
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring.engine.image_io import GENERATED

from ..client import Client
from .generators import write_generators


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generators(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def client(folder: Path) -> Client:
    return Client(folder)


UPPER_HALF = b64encode(bytes([1] * 32 + [0] * 32)).decode()
"""A hole in digits of 8x8, a byte a pixel."""


def refused(client: Client, path: str, **body: Any) -> str:
    return client.refused("POST", path, json=body)


def test_the_list_has_all_generators(client: Client) -> None:
    listed = {each["run"]: each["kind"] for each in client.get("generators")}
    images = dict.fromkeys(("r3", "biggan", "rbm", "dbm", "pixelcnn", "large"), "image")
    assert listed == {**images, "audio": "audio", "series": "series", "table": "table"}


def test_a_generator_has_what_its_page_needs(client: Client) -> None:
    r3, biggan, rbm = (client.get("generator", run=name) for name in ("r3", "biggan", "rbm"))
    assert r3["classes"] == [*"0123456789"] and not r3["truncates"] and r3["levels"] == []
    assert biggan["truncates"] and biggan["levels"] == ["coarse", "fine"]
    assert rbm["density"] and rbm["completes"] and not r3["density"]
    assert r3["checkpoints"] and r3["formats"] == [".png", ".webp", ".npz"]
    assert "no run '../r3'" in client.refused("GET", "generator", params={"run": "../r3"})


@pytest.mark.parametrize(
    ("name", "kind"), [("r3", "image"), ("audio", "sound"), ("series", "series"), ("table", "table")]
)
def test_samples_of_each_kind(client: Client, name: str, kind: str) -> None:
    answer = client.post("samples", run=name, points=[{"seed": 3}, {"seed": 4}, {"seed": 3}])
    first, second, third = answer["views"]
    assert {each["kind"] for each in answer["views"]} == {kind} and first == third != second


def test_samples_of_a_density_model_have_their_log_density(client: Client) -> None:
    answer = client.post("samples", run="rbm", points=[{"seed": 3}])
    (density,) = answer["densities"]
    assert np.isfinite(density["nll"]) and density["unit"] == "nats" and 0 < density["p_value"] <= 1
    assert "densities" not in client.post("samples", run="r3", points=[{"seed": 3}])


def test_a_walk_is_raw_colours(client: Client, folder: Path) -> None:
    way = [{"seed": 1, "to": 2, "at": at} for at in (0, 0.5, 1)]
    answer = client.post("walk", run="r3", points=way)
    assert [answer.headers[f"x-{name}"] for name in ("count", "height", "width")] == ["3", "8", "8"]
    pixels = np.frombuffer(answer.content, np.uint8).reshape(3, 8, 8, 3)
    (rows,) = sparring.load(folder / "r3").samples(1, seed=2)
    assert np.abs(pixels[2].astype(int) - rows[0]).max() <= 1
    assert "no pictures" in refused(client, "walk", run="audio", points=way)


def test_a_checkpoint_and_a_truncation_count(client: Client) -> None:
    at = {"points": [{"seed": 1, "label": "3"}], "run": "biggan"}
    plain, cut = client.post("walk", **at), client.post("walk", truncation=0.1, **at)
    assert plain.content != cut.content
    first = client.get("generator", run="r3")["checkpoints"][0]
    assert client.post("walk", checkpoint=str(first), **{**at, "run": "r3"}).content
    assert "not trained for truncation" in refused(client, "walk", **{**at, "run": "r3", "truncation": 0.5})
    assert "no checkpoint '7'" in refused(client, "walk", checkpoint="7", **{**at, "run": "r3"})
    assert "unknown label 'x'" in refused(client, "walk", run="r3", points=[{"seed": 1, "label": "x"}])


def test_a_model_that_was_trained_further_is_loaded_anew(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "r3", tmp_path / "r3")
    client = Client(tmp_path)
    before = client.post("walk", run="r3", points=[{"seed": 1}]).content
    assert client.post("walk", run="r3", points=[{"seed": 1}]).content == before
    model = sparring.load(folder / "r3")
    for parameter in model.generator.parameters():
        parameter.mul_(0.5)
    model.save(tmp_path / "r3")
    assert client.post("walk", run="r3", points=[{"seed": 1}]).content != before


def test_the_nearest_training_image_of_a_copy_is_the_original(folder: Path) -> None:
    from sparring.studio.explore.nearest import nearest_examples

    data = sparring.open("digits")
    run = sparring.Run(folder / "r3")
    found = nearest_examples(run, data.spec, data[np.array([41])])
    assert found["distances"][0] == 0 and found["names"][0] == data.names[41] and found["searched"] == len(data)
    assert found["distances"] == sorted(found["distances"])
    every = np.sqrt(np.square(data[np.arange(len(data))].astype(float) - data[np.array([41])]).mean((1, 2, 3)))
    assert found["distances"][1] == pytest.approx(np.sort(every)[1], abs=0.01)


def test_training_data_that_are_gone_are_named(client: Client, folder: Path, tmp_path: Path) -> None:
    assert len(client.post("nearest", run="r3", points=[{"seed": 1}])["views"]) == 6
    settings = json.loads((folder / "r3/run.json").read_text())
    for name, source in (("gone", str(tmp_path / "gone")), ("web", "https://192.0.2.1/x.zip")):
        shutil.copytree(folder / "r3", folder / name)
        settings["data"]["source"] = source
        (folder / name / "run.json").write_text(json.dumps(settings))
        answer = client.send("POST", "nearest", json={"run": name, "points": [{"seed": 1}]})
        assert answer.status_code >= 400 and source in answer.json()["error"]
        shutil.rmtree(folder / name)


def test_downloads(client: Client) -> None:
    points = [{"seed": k} for k in range(4)]
    png = Image.open(io.BytesIO(client.post("download", run="r3", points=points, format=".png").content))
    assert png.format == "PNG" and png.info["Description"].startswith(GENERATED)
    film = Image.open(io.BytesIO(client.post("download", run="r3", points=points, format=".webp", film=True).content))
    assert film.format == "WEBP" and film.n_frames == 4  # type: ignore[attr-defined]
    assert film.getexif()[270].startswith(GENERATED)
    array = np.load(io.BytesIO(client.post("download", run="audio", points=points, format=".npz").content))
    assert array["arr_0"].shape[0] == 4 and array["arr_0"].dtype == np.int16
    assert client.post("download", run="table", points=points, format=".csv").text.count("\n") == 5
    assert "are written as" in refused(client, "download", run="table", points=points, format=".png")


@pytest.mark.parametrize("run", ["rbm", "dbm", "pixelcnn"])
def test_a_hole_is_filled_and_the_rest_stays(client: Client, run: str) -> None:
    at = {"run": run, "row": 5, "hole": UPPER_HALF}
    before = client.post("picture", **at)
    answer = client.post("complete", n=3, **at)
    assert len(answer["views"]) == len(answer["log_probabilities"]) == 3
    assert answer["exact"] == (run == "pixelcnn") and before["width"] == 8
    lower = [b64decode(view["pixels"])[len(b64decode(view["pixels"])) // 2 :] for view in (before, *answer["views"])]
    if run == "pixelcnn":  # the others know black and white alone
        assert len(set(lower)) == 1
    assert len(set(lower[1:])) == 1


def test_holes_that_fit_nothing_are_refused(client: Client) -> None:
    at = {"run": "rbm", "row": 5, "hole": UPPER_HALF}
    assert "paint over" in refused(client, "complete", **{**at, "hole": b64encode(bytes(64)).decode()})
    assert "64" in refused(client, "complete", **{**at, "hole": b64encode(bytes(3)).decode()})
    assert "cannot complete" in refused(client, "complete", **{**at, "run": "r3"})
    assert "choose a number" in refused(client, "complete", **{**at, "row": 10**6})
