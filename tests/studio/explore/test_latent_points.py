"""Points of the latent space: seeds, ways between them, levels, moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.models.generator import GeneratorModel
from sparring.recipes import recipe_class
from sparring.studio.explore.latent_levels import levels_of, named
from sparring.studio.explore.latent_points import Point, generate, latents_of, points_of

CPU = Hardware(torch.device("cpu"), bf16=False)


def model_of(name: str, side: int = 16, latent_dim: int = 24) -> GeneratorModel:
    spec = ImageSpec(side, side, 1, classes=("a", "b"), count=10)
    recipe: Any = recipe_class(name)(width=4, latent_dim=latent_dim).resolve(spec, CPU)
    torch.manual_seed(0)
    net = recipe.nets(spec)["generator"].eval().requires_grad_(False)
    return GeneratorModel(net, spec, recipe, counts=(5, 5))


def test_a_seed_is_the_first_sample_of_the_command() -> None:
    model = model_of("r3")
    z, y = latents_of(model, [Point(7), Point(8, label="b")])
    (rows,) = model.samples(1, seed=7)
    assert np.abs(generate(model, z[:1], y[:1]).astype(int) - rows).max() <= 1  # kernels round by the size of the batch
    assert int(y[1]) == 1


@pytest.mark.parametrize("way", ["slerp", "lerp"])
def test_a_way_begins_and_ends_at_its_seeds(way: str) -> None:
    model = model_of("r3")
    z, y = latents_of(model, [Point(1), Point(1, 2, 0.0, way), Point(1, 2, 1.0, way), Point(2), Point(1, 2, 0.5, way)])
    assert torch.allclose(z[0], z[1], atol=1e-6) and torch.allclose(z[2], z[3], atol=1e-6)
    assert int(y[2]) == int(y[3]) and int(y[1]) == int(y[0])
    middle = (z[0] + z[3]) / 2
    if way == "lerp":
        assert torch.allclose(z[4], middle)
    else:  # in the same direction where both ends are of one length, and not shorter than these
        assert float(z[4].norm()) > float(middle.norm())


def test_levels_are_chunks_of_the_noise_of_biggan_and_none_of_r3() -> None:
    model = model_of("biggan")
    levels = levels_of(model)
    assert list(levels) == ["coarse", "middle", "fine"]
    columns = torch.cat(list(levels.values()))
    assert columns.tolist() == list(range(24))
    z, _ = latents_of(model, [Point(1), Point(2), Point(1, levels={"coarse": 2})], levels)
    coarse = levels["coarse"]
    assert torch.equal(z[2][coarse], z[1][coarse])
    rest = torch.cat([levels["middle"], levels["fine"]])
    assert torch.equal(z[2][rest], z[0][rest])
    assert levels_of(model_of("r3")) == {}
    with pytest.raises(UsageError, match="no level 'coarse'"):
        latents_of(model_of("r3"), [Point(1, levels={"coarse": 2})], {})


def test_groups_of_layers_are_named_as_levels() -> None:
    groups = [torch.tensor([k]) for k in range(5)]
    assert named(groups[:1]) == {}
    assert {name: idx.tolist() for name, idx in named(groups[:2]).items()} == {"coarse": [0], "fine": [1]}
    five = {name: idx.tolist() for name, idx in named(groups).items()}
    assert five == {"coarse": [0, 1], "middle": [2], "fine": [3, 4]}


def test_moves_add_steps_of_handles() -> None:
    model = model_of("r3")
    steps = [torch.eye(24)[0] * 2, torch.eye(24)[1]]
    z, _ = latents_of(model, [Point(1), Point(1, moves={0: 0.5, 1: -1})], steps=steps)
    assert torch.allclose(z[1] - z[0], torch.eye(24)[0] - torch.eye(24)[1])
    with pytest.raises(UsageError, match="no handle 3"):
        latents_of(model, [Point(1, moves={2: 1})], steps=steps)


@pytest.mark.parametrize(
    "point",
    [
        {}, {"seed": -1}, {"seed": 2**53}, {"seed": "1"}, {"seed": True}, {"seed": 1, "at": 1.5},
        {"seed": 1, "way": "x"}, {"seed": 1, "levels": []}, {"seed": 1, "moves": {"x": 1}},
        {"seed": 1, "moves": {"0": 1e9}},
        {"seed": float("nan")},
    ],
)  # fmt: skip
def test_wrong_points_are_refused(point: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        points_of({"points": [point]})


@pytest.mark.parametrize("points", [None, [], {}, [1], [{"seed": 1}] * 257])
def test_wrong_lists_are_refused(points: Any) -> None:
    with pytest.raises(UsageError, match="'points'"):
        points_of({"points": points})


def test_vectors_are_interpolated_and_given_by_their_numbers() -> None:
    spec = ImageSpec(8, 8, 1, condition_stats=((0.0, 1.0), (2.0, 0.5)), count=10)
    recipe: Any = recipe_class("r3")(width=4, latent_dim=8).resolve(spec, CPU)
    net = recipe.nets(spec)["generator"].eval().requires_grad_(False)
    model = GeneratorModel(net, spec, recipe, vectors=((0.0, 1.0), (1.0, 3.0)))
    _, y = latents_of(model, [Point(1), Point(1, 2, 0.5), Point(2), Point(1, label="0.25,7")])
    assert torch.allclose(y[1], (y[0] + y[2]) / 2) and y[3].tolist() == [0.25, 7]
    assert generate(model, *latents_of(model, [Point(1, label="0.25,7")])).shape == (1, 8, 8, 1)
