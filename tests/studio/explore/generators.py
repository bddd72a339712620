"""A folder of small generators, one for each kind of data and each way to complete a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tests.kinds import KINDS

import sparring
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.models.load_generator import generator_model
from sparring.recipes.density.boltzmann import DBM, RBM
from sparring.recipes.density.flow import FlowRecipe
from sparring.recipes.density.pixelcnn import PixelCNNRecipe
from sparring.recipes.generators.biggan import BigGAN
from sparring.recipes.generators.r3 import R3

SMALL = {"width": 4, "latent_dim": 8, "batch_size": 8}


def write_generators(runs: Path) -> Path:
    """Write the runs below `runs`. `r3` was trained; the others are as networks begin."""
    sparring.train("digits", R3(**SMALL), images=64, out=runs / "r3")
    spec = sparring.load(runs / "r3").spec
    save(runs / "biggan", BigGAN(**SMALL), spec)
    save(runs / "rbm", RBM(hidden=8, sample_sweeps=2), spec)
    save(runs / "dbm", DBM(hidden=8, top=8, sample_sweeps=2), spec)
    save(runs / "pixelcnn", PixelCNNRecipe(width=8, layers=2, completion=True), spec)
    save(runs / "large", R3(**SMALL), ImageSpec(16, 16, 3))
    for name in ("audio", "series"):
        save(runs / name, R3(**SMALL), KINDS[name].spec)
    save(runs / "table", FlowRecipe(), KINDS["table"].spec)
    (runs / "no run").mkdir()
    return runs


def save(folder: Path, recipe: Any, spec: Any) -> None:
    """Write a run of an untrained generator."""
    recipe = recipe.resolve(spec, Hardware(torch.device("cpu"), bf16=False))
    net = recipe.nets(spec)["generator"].eval()
    counts = (1,) * len(spec.classes) if recipe.classes(spec) else ()
    generator_model(net, spec, recipe, counts, metadata={"custom_nets": False, "held_out": [-9.0]}).save(folder)
    settings = json.loads((folder.parent / "r3/run.json").read_text())
    (folder / "run.json").write_text(json.dumps(settings))
