"""Folders for the hub: what is in them, what the card says, and the way to a hub and back."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_hub import TOKEN, FakeHub, fake_hub
from local_server import COMMIT

import sparring
from sparring.commands.exporting.hub_folder import to_text, write_hub_folder
from sparring.commands.exporting.hub_push import connect, push_folder
from sparring.commands.exporting.model_card import _attacks, _certificates, plain, public_name
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.models.generator import GeneratorModel
from sparring.recipes import recipe_class
from sparring.stats.proportion import Proportion

yaml = pytest.importorskip("yaml")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a saved generator of untrained weights, and results beside it."""
    folder = tmp_path / "runs" / "cats"
    spec = ImageSpec(8, 8, 1, ("tabby|cat", "dog"), 100)
    torch.manual_seed(0)
    recipe = recipe_class("dcgan")(width=4, latent_dim=6)
    net = recipe.nets(spec)["generator"].eval()
    GeneratorModel(net, spec, recipe, (50, 50), metadata={"custom_nets": False, "sparring": "0.1.0"}).save(folder)
    sparring.Run(folder).write_settings(
        {
            "command": "train", "recipe": {"name": "dcgan", "settings": {}}, "request": {"seed": 3},
            "data": {"source": "/home/ann/secret folder/photos", "spec": {}, "fingerprint": "f"},
            "plan": {"images": 1000}, "hardware": "cpu", "versions": {"torch": "2.13", "python": "3.11"},
            "argv": ["/home/ann/bin/sparring"],
        }
    )  # fmt: skip
    return folder


EVALUATION: dict[str, Any] = {
    "protocol": {
        "samples": {"source": "/home/ann/runs/cats", "n": 300, "seed": 0},
        "reference": {"source": "/home/ann/secret folder/photos", "n": 200, "split": "test"},
        "features": {"name": "trained-1a2b", "kind": "trained on the data"}, "versions": {"sparring": "0.1.0"},
    },
    "scores": [{"name": "fd[trained-1a2b]", "value": 3.25, "low": 3.0, "high": 3.5, "real_baseline": 0.5}],
    "two_sample": None,
    "memorisation": {"message": "No copies beyond chance.", "copied_fraction": 0.01, "equal": 0},
    "kind_scores": [],
}  # fmt: skip


def front_matter(folder: Path) -> dict[str, Any]:
    _, matter, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return dict(yaml.safe_load(matter))


def test_a_run_without_results_says_what_was_not_measured(run: Path) -> None:
    result = write_hub_folder(run)
    assert result.path == run / "hub"
    assert result.files == ("README.md", "config.json", "generator.json", "generator.safetensors", "samples.png")
    card = (result.path / "README.md").read_text(encoding="utf-8")
    assert card.count("Not measured") == 2 and "2 classes" not in card and "tabby\\|cat, dog" in card
    assert "ann" not in card and "secret" not in card and "- source: photos" in card  # no path of the machine
    fields = front_matter(result.path)
    assert fields["library_name"] == "sparring" and fields["pipeline_tag"] == "unconditional-image-generation"
    assert "license" not in fields and "model-index" not in fields
    assert json.loads((result.path / "config.json").read_text())["library_name"] == "sparring"
    ours, theirs = (next(sparring.load(path).samples(4, seed=1)) for path in (run, result.path))  # type: ignore[union-attr]
    np.testing.assert_array_equal(ours, theirs)
    assert not {path.name for path in run.iterdir() if path.name.endswith(".tmp")}


def test_scores_stand_with_their_intervals(run: Path) -> None:
    sparring.Run(run).write_json("evaluation", EVALUATION)
    result = write_hub_folder(run, run.parent / "out", repository="ann/cats", licence="cc-by-4.0")
    card = (result.path / "README.md").read_text(encoding="utf-8")
    assert "| fd\\[trained-1a2b\\] | 3.250 | 3.000 to 3.500 | 0.5000 |" in card and "Not measured" not in card
    assert "300 samples, seed 0, against 200 examples of the test split" in card and "No copies beyond chance." in card
    assert 'sparring.load("hf:ann/cats")' in card and "ann/runs" not in card
    fields = front_matter(result.path)
    [entry] = fields["model-index"][0]["results"]
    assert entry["metrics"][0]["value"] == 3.25 and "95 % interval 3.000 to 3.500" in entry["metrics"][0]["name"]
    assert entry["dataset"] == {"name": "photos", "type": "photos"} and fields["license"] == "cc-by-4.0"


def test_attacks_and_certificates_stand_with_their_strength(tmp_path: Path) -> None:
    share = asdict(Proportion.count(30, 50))
    report = {"clean": share, "robust": share, "selection": "50 test images", "attack": "AutoAttack"}
    for name, content in {
        "attack": {**report, "settings": {"norm": "Linf", "eps": 0.3}},
        "certify": {**report, "sigma": 0.5, "draws": 1000, "certified": [{"eps": 0.5, "accuracy": share}]},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(content))
    run = sparring.Run(tmp_path)
    attacks, certificates = ("\n".join(lines) for lines in (_attacks(run, "classifier"), _certificates(run)))
    interval = "60.0\u00a0% (95 % interval 46.2\u00a0% to 72.4\u00a0%)"
    assert f"robust: {interval} under AutoAttack (norm Linf, eps 0.3)" in attacks and "upper bound" in attacks
    assert f"radius 0.5: {interval}" in certificates and "noise 0.5, 1,000 draws" in certificates


def test_the_hubs_own_parser_reads_the_card(run: Path) -> None:
    repocard = pytest.importorskip("huggingface_hub").ModelCard
    sparring.Run(run).write_json("evaluation", EVALUATION)
    card = repocard.load(write_hub_folder(run).path / "README.md")
    [result] = card.data.eval_results
    assert result.metric_value == 3.25 and result.metric_type == "fd" and card.data.library_name == "sparring"


def test_a_folder_of_others_is_left_alone(run: Path, tmp_path: Path) -> None:
    first = write_hub_folder(run)
    assert write_hub_folder(run).files == first.files  # an earlier one is replaced
    (run / "hub" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files than an exported model: choose another --out"):
        write_hub_folder(run)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is no folder: choose another --out"):
        write_hub_folder(run, tmp_path / "file")
    with pytest.raises(UsageError, match="--licence MIT: it is an identifier of the hub"):
        write_hub_folder(run, licence="MIT")
    with pytest.raises(UsageError, match="--push cats: a repository of the hub is named owner/name"):
        write_hub_folder(run, repository="cats")
    with pytest.raises(UsageError, match=r"has no generator\.json|there is no"):
        write_hub_folder(tmp_path / "nothing")


def test_damage_leaves_nothing_behind(run: Path) -> None:
    sparring.Run(run).write_json("evaluation", {**EVALUATION, "protocol": {}})
    with pytest.raises(SparringError, match=r"a result in .* is damaged or of another version"):
        write_hub_folder(run, run.parent / "out")
    assert [path.name for path in run.parent.iterdir()] == ["cats"]
    (run / "generator.safetensors").write_bytes(b"x")
    with pytest.raises(SparringError, match="damaged"):
        write_hub_folder(run, run.parent / "out")


def test_what_cannot_be_shown_is_a_note(run: Path) -> None:
    def refuse(run: str | Path, path: Path) -> None:
        raise UsageError("it has an operator that a page cannot run")

    result = write_hub_folder(run, write_demo=refuse)
    assert result.notes == ("without a demo page: it has an operator that a page cannot run",)
    assert "index.html" not in (result.path / "README.md").read_text()
    shown = write_hub_folder(run, write_demo=lambda run, path: path.write_text("<html>"))
    assert "index.html" in shown.files and "`index.html` runs the network" in (shown.path / "README.md").read_text()


def test_names_of_users_are_plain() -> None:
    assert plain("a|b\n# c <script>`x`") == r"a\|b \# c \<script\>\`x\`"
    assert public_name("https://ann:pw@h.org/x.zip?token=1") == "https://h.org/x.zip"
    assert public_name("C:\\Users\\ann\\photos") == "photos" and public_name("mnist") == "mnist"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fake hub with its token in the environment."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    with fake_hub(tmp_path / "pushed") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub's own upload
def test_there_and_back(run: Path, hub: FakeHub) -> None:
    folder = write_hub_folder(run, repository="ann/cats")
    address = push_folder(connect("ann/cats"), folder.path, "ann/cats")
    assert address == f"hf:ann/cats@{COMMIT}" and len(hub.commits) == 1
    assert {path.name for path in hub.folder.iterdir()} == set(folder.files)
    shutil.rmtree(run)
    assert next(sparring.load(address).samples(3, seed=1)).shape == (3, 8, 8, 1)  # type: ignore[union-attr]
    assert f"pushed   {address}" in to_text(type(folder)(folder.path, folder.files, (), address))


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_private_model_is_read_with_the_token_alone(
    run: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = sparring.export(run, "hub", out=tmp_path / "out", push="ann/cats", visibility="private")
    assert hub.private and isinstance(sparring.load(result.address), GeneratorModel)  # type: ignore[union-attr]
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "empty"))
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UsageError, match=r"no public model 'ann/cats'.* A private one needs a token .*HF_TOKEN"):
        sparring.load(result.address)  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="--visibility is for --push"):
        sparring.export(run, "hub", out=tmp_path / "other", visibility="private")


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_the_command(run: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sparring.commands.export import to_text

    result = sparring.export(run, "hub", out=tmp_path / "out", push="ann/cats", licence="apache-2.0")
    assert result.address == f"hf:ann/cats@{COMMIT}" and "index.html" in result.files  # type: ignore[union-attr]
    assert "pushed   hf:ann/cats@" in to_text(result) and front_matter(hub.folder)["license"] == "apache-2.0"
    with pytest.raises(UsageError, match="--push, --visibility and --licence are for --to hub"):
        sparring.export(run, "onnx", push="ann/cats")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(SparringError, match="does not know the token"):
        sparring.export(run, "hub", out=tmp_path / "new", push="ann/cats")
    assert not (tmp_path / "new").exists()
    page = sparring.export(f"hf:ann/cats@{COMMIT}", "html", out=tmp_path / "page.html")  # read back, exported again
    assert page.path.exists()


def test_a_push_that_is_refused(run: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = write_hub_folder(run)
    with pytest.raises(SparringError, match=r"eve/cats was not pushed \(status 403\): the token may not write there"):
        push_folder(connect("eve/cats"), folder.path, "eve/cats")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(
        SparringError, match=r"\(status 401\): the hub does not know the token: make a write token"
    ) as error:
        connect("ann/cats")
    assert error.value.exit_code == 1
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(SparringError, match="there is no token for the hub: set HF_TOKEN"):
        connect("ann/cats")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SparringError, match="was not pushed, the hub cannot be used"):
        connect("ann/cats")
    assert not hub.commits
