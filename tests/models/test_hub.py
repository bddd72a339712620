"""Models of the hub, from a server that behaves like it: what is fetched, what is checked, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from local_server import COMMIT, hub_files, serving

import sparring
from sparring.data.web import repository
from sparring.engine.errors import SparringError, UsageError
from sparring.models import hub
from sparring.models.generator import GeneratorModel
from sparring.recipes import recipe_class

Files = dict[str, bytes | str | int]
WEIGHTS = "generator.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved generator, and beside it what must not be fetched."""
    folder = tmp_path_factory.mktemp("saved")
    spec = sparring.ImageSpec(8, 8, 1, (), 100)
    recipe = recipe_class("dcgan")(width=4, latent_dim=6)
    net = recipe.nets(spec)["generator"].eval()
    GeneratorModel(net, spec, recipe, metadata={"custom_nets": False}).save(folder)
    (folder / "config.json").write_text("{}")
    (folder / "evil.py").write_text("raise SystemExit")
    (folder / "model.pkl").write_bytes(b"cos\nsystem\n")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


def change_facts(files: Files, change: Callable[[dict[str, object]], object]) -> None:
    """Apply `change` to what the server says about each file of the repository."""
    for path in [path for path in files if path.startswith("/api/")]:
        facts = json.loads(bytes(files[path]))  # type: ignore[arg-type]
        for entry in facts["siblings"]:
            change(entry)
        files[path] = json.dumps(facts).encode()


def test_a_model_of_the_hub_is_the_one_that_was_saved(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = np.concatenate(list(sparring.load(saved).samples(5, seed=3)))  # type: ignore[union-attr]
    with serving(files := hub_files(saved)) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        for address in (f"hf:ann/cats@{COMMIT}", "hf:ann/cats@main", "hf:ann/cats"):
            rows = np.concatenate(list(sparring.load(address).samples(5, seed=3)))  # type: ignore[union-attr]
            np.testing.assert_array_equal(rows, expected)
        fetched = hub.local_path("hf:ann/cats")
        assert {path.name for path in fetched.iterdir()} == {
            "config.json", "generator.json", WEIGHTS, repository.LISTING,
        }  # fmt: skip
        listing = json.loads((fetched / repository.LISTING).read_text())
        assert listing["commit"] == COMMIT and all(file["sha256"] or file["git"] for file in listing["files"])
        path = sparring.sample("hf:ann/cats", 4)
        assert path == Path("runs/ann-cats/samples-0.png") and path.exists()
        assert hub.is_hub_model("https://huggingface.co/ann/cats/tree/main")
        assert not hub.is_hub_model("https://huggingface.co/datasets/ann/cats") and not hub.is_hub_model("runs/a/b")
        files.clear()
        hub._fetched.cache_clear()
        assert sparring.load(f"hf:ann/cats@{COMMIT}").spec.shape == (1, 8, 8)  # without network


def test_without_network_the_message_names_what_was_fetched(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(hub_files(saved)) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        hub.local_path("hf:ann/cats")
    hub._fetched.cache_clear()
    monkeypatch.setattr("sparring.data.files.download.TRIES", 1)
    with pytest.raises(SparringError, match=f"the hub did not answer: hf:ann/cats@{COMMIT} was fetched before"):
        sparring.load("hf:ann/cats")
    with pytest.raises(SparringError, match="the hub did not answer: try again with a network"):
        sparring.load("hf:ann/dogs")


@pytest.mark.parametrize("status", [401, 404])
def test_a_repository_that_is_not_public(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"/api/models/ann/cats/revision/v2?blobs=true": status}) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(
            UsageError, match=rf"no public model 'ann/cats' at 'v2' \(status {status}\): check the name"
        ):
            sparring.load("hf:ann/cats@v2")


@pytest.mark.parametrize("address", ["hf:ann", "hf:ann/cats@", "hf:../cats", "hf:ann/cats/x", "hf:"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UsageError, match=r"is no model of the hub: write hf:owner/name"):
        sparring.load(address)


def test_a_file_that_differs_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(files := hub_files(saved)) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        place, weights = f"/ann/cats/resolve/{COMMIT}/generator.json", bytes(files[f"/cdn/{WEIGHTS}"])  # type: ignore[arg-type]
        about = bytes(files[place])  # type: ignore[arg-type]
        files[place] = about.replace(b'"dcgan"', b'"biggan"')[:-1]
        with pytest.raises(SparringError, match=r"is not the file that the hub lists: its hash is .* It was deleted"):
            sparring.load("hf:ann/cats")
        files[place] = about
        files[f"/cdn/{WEIGHTS}"] = weights[:-1] + bytes([weights[-1] ^ 1])
        with pytest.raises(SparringError, match=r"has another sha256 than given"):
            sparring.load("hf:ann/cats")
        files[f"/cdn/{WEIGHTS}"] = weights * 2  # more than was announced
        with pytest.raises(SparringError, match="more than the"):
            sparring.load("hf:ann/cats")
        files[f"/cdn/{WEIGHTS}"] = weights
        assert sparring.load("hf:ann/cats").spec.shape == (1, 8, 8)


def test_a_file_that_breaks_off_is_kept_for_the_next_try(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.data.files.download.TRIES", 2)
    files = hub_files(saved)
    facts = {path: content for path, content in files.items() if path.startswith("/api/")}
    with serving(files, cut=len(max((c for c in facts.values() if isinstance(c, bytes)), key=len))) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(SparringError, match=r"could not be fetched: .* bytes are kept; the same command goes on"):
            sparring.load("hf:ann/cats")


def test_the_facts_of_the_hub_are_not_trusted(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(files := hub_files(saved)) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        intact = dict(files)
        change_facts(files, lambda entry: entry.update(size=1 << 40))
        with pytest.raises(SparringError, match=r"is 1,099,511,627,776 bytes long, more than the .* nothing was used"):
            sparring.load("hf:ann/cats")
        for wrong in (
            lambda entry: entry.update(lfs={"sha256": "../../x"}), lambda entry: entry.pop("size"),
            lambda entry: entry.update(blobId=None, lfs=None), lambda entry: entry.update(lfs="x"),
        ):  # fmt: skip
            files.update(intact)
            change_facts(files, wrong)
            with pytest.raises(SparringError, match="names no size or no hash"):
                sparring.load("hf:ann/cats")
        other = "f" * 40
        files[f"/api/models/ann/cats/revision/{other}?blobs=true"] = intact["/api/models/ann/cats?blobs=true"]
        with pytest.raises(SparringError, match=f"answers with commit {COMMIT} of 'ann/cats', not with {other}"):
            sparring.load(f"hf:ann/cats@{other}")
        files.update(intact)
        change_facts(files, lambda entry: entry.update(rfilename=f"x/{entry['rfilename']}"))
        with pytest.raises(UsageError, match="'ann/cats' of the hub holds no model of Sparring: `sparring export RUN"):
            sparring.load("hf:ann/cats")
        files["/api/models/ann/cats?blobs=true"] = b"<html>"
        with pytest.raises(SparringError, match="answers with no JSON"):
            sparring.load("hf:ann/cats")
