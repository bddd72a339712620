"""A trained generator: truncated noise, and batch normalisation that knows it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import UsageError
from sparring.models.generator import GeneratorModel, truncated
from sparring.models.load_generator import check_truncation, load_generator
from sparring.recipes import recipe_class
from sparring.recipes.recipe import Recipe

SPEC = ImageSpec(8, 8, 1, ("a", "b"), 20)
SMALL = {"width": 4, "latent_dim": 6, "embedding_dim": 5, "discriminator_width": 4}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model of untrained networks, as a training would leave it."""
    torch.manual_seed(0)
    recipe = recipe_class("biggan")(**SMALL)
    generator = recipe.nets(SPEC)["generator"]
    GeneratorModel(generator, SPEC, recipe, (15, 5), metadata={"custom_nets": False}).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize("most", [0.04, 0.5, 2.0])
def test_truncated_noise_has_the_law_of_noise_redrawn_until_it_fits(most: float) -> None:
    """Against what lies inside of so much normal noise, by the largest gap of their distributions (Kolmogorov)."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2_000_000, generator=generator)
    ours = truncated(noise[:100_000], most)
    redrawn = noise[noise.abs() <= most]
    assert ours.abs().max() <= most
    at = torch.linspace(-most, most, 101)
    shares = [torch.searchsorted(z.sort().values, at) / len(z) for z in (ours, redrawn)]
    assert (shares[0] - shares[1]).abs().max() < 2.5 * math.sqrt(1 / len(ours) + 1 / len(redrawn))


def test_a_number_keeps_its_rank_and_far_truncation_changes_nothing() -> None:
    z = torch.randn(1000)
    assert torch.equal(truncated(z, 0.3).argsort(), z.argsort())
    torch.testing.assert_close(truncated(z, 10.0), z)
    odd = torch.tensor([0.0, 8.0, -9.0, 40.0])  # further out than double precision tells from certainty
    assert truncated(odd, 10.0).abs().max() <= 10 and torch.isfinite(truncated(odd, 1e-6)).all()


@pytest.mark.parametrize("most", [0.0, -1.0, 10.1, float("nan"), float("inf")])
def test_truncation_out_of_range(most: float) -> None:
    with pytest.raises(UsageError, match="--truncation must be above 0 and at most 10"):
        check_truncation(most, recipe_class("biggan")())


@pytest.mark.parametrize("name", ["gan2014", "dcgan", "r3"])
def test_a_recipe_without_truncation_says_the_way_out(name: str) -> None:
    recipe: Recipe = recipe_class(name)()
    check_truncation(None, recipe)
    with pytest.raises(UsageError, match=f"{name} was not trained for truncation: leave --truncation out, .*biggan"):
        check_truncation(0.5, recipe)


def test_a_models_noise_is_truncated_and_its_own_without(saved: Path) -> None:
    free, cut = load_generator(saved), load_generator(saved, truncation=0.5)
    (z, y), (w, same) = (model.draw_inputs(range(5), seed=3) for model in (free, cut))
    assert torch.equal(w, truncated(z, 0.5)) and torch.equal(y, same)
    assert torch.equal(cut.draw_inputs(range(2, 4), seed=3)[0], w[2:4])


def test_standing_statistics_are_the_same_every_time_and_those_of_the_truncation(saved: Path) -> None:
    one, two, other = load_generator(saved), load_generator(saved), load_generator(saved, truncation=0.2)
    for key, tensor in one.generator.state_dict().items():
        assert torch.equal(tensor, two.generator.state_dict()[key])
    norms = [model.generator.norm for model in (one, other)]
    assert not torch.equal(norms[0].running_var, norms[1].running_var)  # type: ignore[arg-type]
    with (
        torch.no_grad()
    ):  # normalised with them, samples have about the statistics that a batch of their own would have
        h: list[torch.Tensor] = []
        norms[0].register_forward_hook(lambda module, given, out: h.append(out))
        one.generate(*one.draw_inputs(range(1000), seed=9))
    assert h[0].mean((0, 2, 3)).abs().max() < 0.1 and (h[0].var((0, 2, 3)) - 1).abs().max() < 0.2


def test_samples_depend_on_their_batch_no_more(saved: Path) -> None:
    model = load_generator(saved)
    z, y = model.draw_inputs(range(8), seed=0)
    torch.testing.assert_close(model.generate(z, y)[:3], model.generate(z[:3], y[:3]))


def test_recipes_say_whether_they_truncate() -> None:
    assert recipe_class("biggan").truncates and not recipe_class("r3").truncates
    assert dataclasses.is_dataclass(recipe_class("biggan"))


def test_a_truncation_that_is_no_number_is_told_apart() -> None:
    with pytest.raises(UsageError, match=r"must be above 0 and at most 10, not '0\.5'"):
        check_truncation("0.5", recipe_class("biggan")())  # type: ignore[arg-type]
