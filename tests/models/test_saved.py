"""The one saved format, and capabilities: what a model that is saved can do, and what is said where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import sparring
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import FORMAT, Run
from sparring.models.capabilities import (
    ABILITIES,
    Density,
    Encoder,
    Predictor,
    Remembers,
    Sampler,
    capabilities_of,
    require,
)
from sparring.models.classifier import Classifier
from sparring.models.generator import GeneratorModel
from sparring.models.load import check_capable, load_capable, saved_capabilities
from sparring.models.saved import read_model, saved_players
from sparring.nets.lda import LDA
from sparring.nets.memory import Memory
from sparring.recipes import recipe_class

SPEC = ImageSpec(8, 6, 3, ("cat", "dog"), 100)
CPU = Hardware(torch.device("cpu"), bf16=False)


def generator() -> GeneratorModel:
    recipe = recipe_class("r3")(width=4, latent_dim=6).resolve(SPEC, CPU)
    return GeneratorModel(recipe.nets(SPEC)["generator"].eval(), SPEC, recipe, (3, 4), metadata={"custom_nets": False})


def classifier() -> Classifier:
    recipe = recipe_class("consistent")(width=4).resolve(SPEC, CPU)
    net = recipe.nets(SPEC)["classifier"].eval()
    memory = Memory(LDA.fit(torch.randn(9, 128), torch.arange(9) % 2), torch.randn(5, 3))
    return Classifier(net, SPEC, recipe, SPEC.classes, 1.0, 0.0, memory, {"custom_nets": False})


def test_capabilities_are_what_a_model_has_methods_for() -> None:
    assert capabilities_of(generator()) == ["Sampler"]
    assert capabilities_of(classifier()) == ["Predictor", "Encoder", "Remembers"]
    assert capabilities_of(object()) == []


def test_a_missing_capability_is_named_with_the_command_that_makes_it() -> None:
    model = generator()
    assert require(model, Sampler) is model
    words = "runs/x cannot predict classes; it can generate samples: `sparring classify SOURCE` trains a model that can"
    with pytest.raises(UsageError, match=words):
        require(model, Predictor, "runs/x")
    for capability in (Density, Encoder, Remembers):
        with pytest.raises(UsageError, match=r"GeneratorModel cannot .*; it can generate samples: `sparring "):
            require(model, capability)
    with pytest.raises(UsageError, match=r"cannot generate samples; .* remember examples: `sparring train SOURCE`"):
        require(classifier(), Sampler)
    assert len(ABILITIES) == 7


def test_the_files_of_a_model(tmp_path: Path) -> None:
    one = generator()
    one.save(tmp_path, nimg=7)
    card = json.loads((tmp_path / "generator.json").read_text())
    assert list(card) == [
        "format", "player", "capabilities", "spec", "recipe", "settings", "class_counts", "custom_nets", "nimg"
    ]  # fmt: skip
    assert card["format"] == FORMAT and card["player"] == "generator" and card["spec"]["kind"] == "image"
    for path in (tmp_path, tmp_path / "generator.json", tmp_path / "generator.safetensors"):
        saved = read_model(path, "generator")
        assert saved.spec == SPEC and saved.recipe == one.recipe and saved.capabilities == ("Sampler",)
        assert saved.metadata == {"class_counts": [3, 4], "custom_nets": False, "nimg": 7}
        for name, tensor in one.generator.state_dict().items():
            assert torch.equal(saved.tensors[name], tensor)
        again = sparring.load(path)
        assert isinstance(again, GeneratorModel) and again.counts == (3, 4)


def test_a_folder_with_two_players(tmp_path: Path) -> None:
    generator().save(tmp_path)
    classifier().save(tmp_path)
    assert saved_players(tmp_path) == ["classifier", "generator"]
    assert saved_players(tmp_path / "generator.json") == ["generator"]
    assert isinstance(sparring.load(tmp_path), Classifier)
    assert isinstance(sparring.load(tmp_path, "generator"), GeneratorModel)
    assert isinstance(sparring.load(tmp_path / "generator.safetensors"), GeneratorModel)
    assert isinstance(load_capable(tmp_path, Sampler), GeneratorModel)
    assert isinstance(load_capable(tmp_path, Encoder), Classifier)
    assert saved_capabilities(tmp_path)["generator"] == ["Sampler"]
    check_capable(tmp_path, Predictor)
    with pytest.raises(UsageError, match="holds a classifier, which cannot generate samples"):
        check_capable(tmp_path, Sampler)
    with pytest.raises(UsageError, match="cannot compute densities"):
        load_capable(tmp_path, Density)
    with pytest.raises(UsageError, match="unknown player 'generatr': did you mean 'generator'"):
        sparring.load(tmp_path, "generatr")
    with pytest.raises(UsageError, match="truncation are options of generators"):
        sparring.load(tmp_path, truncation=0.5)


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no generator\.json: it is no run folder"):
        sparring.load(tmp_path)
    with pytest.raises(UsageError, match=r"there is no .*nowhere"):
        sparring.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"there is no .*nowhere"):
        load_capable(tmp_path / "nowhere", Sampler)
    Run(tmp_path).write_settings({"recipe": {"name": "consistent"}})
    with pytest.raises(UsageError, match=r"its training has not saved one yet.*`sparring classify`"):
        sparring.load(tmp_path)
    classifier().save(tmp_path)
    with pytest.raises(UsageError, match=r"has no generator\.json: it holds a classifier, for `sparring predict`"):
        sparring.load(tmp_path, "generator")


def test_folders_of_older_versions(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(UsageError, match=r"an older version of Sparring wrote this folder\. Train the model anew"):
        sparring.load(tmp_path)
    generator().save(tmp_path)
    (tmp_path / "generator.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(SparringError, match=f"has format 1, this Sparring reads format {FORMAT}"):
        sparring.load(tmp_path)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    generator().save(tmp_path)
    (tmp_path / "generator.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(SparringError, match=r"generator\.safetensors is damaged"):
        sparring.load(tmp_path)


def test_a_file_of_data_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match=r"people\.csv is a file, and RUN is a folder"):
        read_model(tmp_path / "people.csv", "generator")
