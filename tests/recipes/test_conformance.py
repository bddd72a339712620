"""Conformance of all GAN recipes, over all shapes of data. A new recipe needs a line in TINY.

Density recipes are in `test_density_recipes.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from sparring.commands.training.plan import check_memory, memory_needed
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.recipes import DEFAULTS, RECIPES, default_recipe, recipe_class, recipes_for
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.recipes.recipe import GANRecipe, Recipe, from_settings, to_settings

TINY: dict[str, dict[str, Any]] = {
    "gan2014": {"hidden": 16, "maxout": 8, "pieces": 2, "latent_dim": 6, "batch_size": 4},
    "lapgan": {"width": 4, "hidden": 16, "latent_dim": 6, "batch_size": 4},
    "dcgan": {"width": 4, "latent_dim": 6, "batch_size": 4},
    "biggan": {"width": 4, "latent_dim": 6, "embedding_dim": 5, "batch_size": 4},
    "s3gan": {"width": 4, "latent_dim": 6, "embedding_dim": 5, "batch_size": 4, "clusters": 3},
    "r3": {"width": 4, "latent_dim": 6, "batch_size": 4},
    "strokes": {"hidden": 8, "strokes": 2, "latent_dim": 6, "batch_size": 4, "pairs": 4, "lr": 0.5, "width": 4},
    "moments": {"width": 4, "latent_dim": 6, "batch_size": 6, "frequencies": 20, "orientations": 2},
}
SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (92, 112, 1), (17, 23, 4), (5, 3, 2), (4, 4, 7), (1, 1, 1), (1, 40, 3)]
SMALLEST = {"lapgan": 14}
"""Recipes that refuse images with a shorter side."""
CLASSES = ("a", "b", "c")
FINDS_CLASSES = {"s3gan"}
"""Recipes that learn clusters in data without labels."""
WITHOUT_DISCRIMINATOR = {"moments"}
"""Recipes whose adversary judges moments, not single images."""
NEEDS_LABELS = {"biggan"}
"""Recipes that refuse data without labels."""
CPU = Hardware(torch.device("cpu"), bf16=False)
PRECISIONS = ["fp32", *(["bf16"] if Hardware.find("cpu").bf16 else [])]

every_recipe = pytest.mark.parametrize("name", TINY)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
with_and_without = pytest.mark.parametrize("labels", [False, True], ids=["plain", "labelled"])


class BatchLoader:
    """Noise in place of images; every third label is missing."""

    batch_size = 4

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        generator = torch.Generator().manual_seed(nimg + turn)
        x = torch.randn(4, *self.spec.shape, generator=generator).tanh()
        return [Batch(x, torch.arange(4) % 3 - 1, nimg // 4, nimg * 2 + turn)]


def spec_of(shape: tuple[int, int, int], labels: bool) -> ImageSpec:
    return ImageSpec(*shape, CLASSES if labels else (), 100)


def too_small(name: str, spec: ImageSpec) -> bool:
    return min(spec.height, spec.width) < SMALLEST.get(name, 1)


def tiny(name: str, spec: ImageSpec) -> GANRecipe:
    if too_small(name, spec):
        pytest.skip("too small for it")
    recipe = recipe_class(name)(**TINY[name])
    if name in NEEDS_LABELS and len(spec.classes) < 2:
        with pytest.raises(UsageError, match=f"{name} is conditional.*one folder a class.*--recipe r3"):
            recipe.resolve(spec, CPU)
        pytest.skip("which it refuses")
    return recipe.resolve(spec, CPU)


def system_of(recipe: GANRecipe, spec: ImageSpec, hardware: Hardware = CPU) -> System:
    torch.manual_seed(0)
    return recipe.system(spec, {name: hardware.to_device(net) for name, net in recipe.nets(spec).items()}, 400)


def inputs(recipe: GANRecipe, spec: ImageSpec, count: int = 4) -> tuple[Tensor, tuple[Tensor, ...]]:
    classes = recipe.classes(spec)
    labels = (torch.arange(count) % (classes + 1) - 1,) if classes else ()
    return torch.randn(count, recipe.latent_dim, generator=torch.Generator().manual_seed(0)), labels


def test_the_table_of_this_file_is_complete() -> None:
    gans = {name for name in recipes_for("train", "image") if isinstance(recipe_class(name)(), GANRecipe)}
    assert TINY.keys() == gans and default_recipe("train") in TINY


@pytest.mark.parametrize("name", RECIPES)
def test_the_registry_agrees_with_the_class(name: str) -> None:
    entry, kind = RECIPES[name], recipe_class(name)
    assert kind.name == name and kind.__name__ == entry.class_name and kind.kinds == entry.kinds
    learns_labels = entry.trains in ("classifier", "regressor", "obfuscator")
    assert isinstance(kind(), Recipe) and learns_labels == isinstance(kind(), ClassifierRecipe)
    for (command, kind_of_data), default in DEFAULTS.items():
        assert default != name or (entry.command == command and kind_of_data in entry.kinds)


@every_recipe
@with_and_without
@every_shape
def test_shapes_and_ranges_of_networks(name: str, labels: bool, shape: tuple[int, int, int]) -> None:
    spec = spec_of(shape, labels)
    recipe = tiny(name, spec)
    nets = recipe.nets(spec)
    z, y = inputs(recipe, spec)
    images = nets["generator"](z, *y)
    assert images.shape == (4, *spec.shape) and images.dtype == torch.float32
    assert torch.isfinite(images).all() and images.abs().max() <= 1
    if name in WITHOUT_DISCRIMINATOR:
        return
    logits = nets["discriminator"](images, *y)
    assert logits.shape == (4,) and logits.dtype == torch.float32 and torch.isfinite(logits).all()


@every_recipe
@with_and_without
@pytest.mark.parametrize("precision", PRECISIONS)
@every_shape
def test_a_round_updates_both_players(name: str, labels: bool, precision: str, shape: tuple[int, int, int]) -> None:
    spec, hardware = spec_of(shape, labels), Hardware(torch.device("cpu"), precision == "bf16")
    recipe = tiny(name, spec)
    system = system_of(recipe, spec, hardware)
    players = dict(system.game.players)
    before = {(player, k): p.detach().clone() for player, net in players.items() for k, p in net.named_parameters()}
    play(system, BatchLoader(spec), total=12, hardware=hardware)
    for (player, k), old in before.items():
        new = players[player].get_parameter(k).detach()
        assert torch.isfinite(new).all() and new.dtype == torch.float32, (player, k)
        felt = player != "discriminator" or not k.endswith("head.bias")  # which a loss of pairs does not feel
        assert not (felt and torch.equal(new, old)), (player, k)
    average = system.ema.net
    assert all(torch.isfinite(t).all() for t in average.state_dict().values() if t.is_floating_point())
    z, y = inputs(recipe, spec)
    assert average(z, *y).shape == (4, *spec.shape)


@every_recipe
def test_the_same_seed_builds_the_same_networks(name: str) -> None:
    spec = spec_of((16, 16, 1), True)
    one, two = (system_of(tiny(name, spec), spec) for _ in range(2))
    for player, net in one.game.players.items():
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor, two.game.players[player].state_dict()[key])


@every_recipe
def test_labels_change_samples_of_conditional_recipes(name: str) -> None:
    spec = spec_of((16, 16, 1), True)
    recipe = tiny(name, spec)
    if not recipe.classes(spec):
        return
    nets = recipe.nets(spec)
    z = torch.randn(1, recipe.latent_dim).expand(4, -1)
    y = torch.tensor([0, 1, 2, -1])
    images = nets["generator"].eval()(z, y)
    assert len(images.flatten(1).unique(dim=0)) == 4
    if name not in WITHOUT_DISCRIMINATOR:
        logits = nets["discriminator"].eval()(images[:1].expand(4, -1, -1, -1), y)
        assert len(logits.unique()) == 4
    if name not in FINDS_CLASSES:
        assert not recipe.classes(spec_of((16, 16, 1), False))
        assert not recipe.classes(ImageSpec(16, 16, 1, ("one class alone",), 100))


@every_recipe
def test_a_discriminator_with_penalties_is_independent_of_the_batch(name: str) -> None:
    """Otherwise one gradient of the summed logits would mix the rows, and the penalty would be another."""
    spec = spec_of((16, 16, 3), False)
    system = system_of(tiny(name, spec), spec)
    if not getattr(system.game, "penalties", ()):
        return
    net, x = system.game.players["discriminator"].train(), torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(net(x)[:2], net(torch.cat([x[:2], -x[2:]]))[:2])


@every_recipe
@every_shape
def test_resolved_recipes_are_complete(name: str, shape: tuple[int, int, int]) -> None:
    if too_small(name, spec_of(shape, True)):
        pytest.skip("too small for it")
    for hardware in (CPU, Hardware(torch.device("cuda"), bf16=True)):
        resolved = recipe_class(name)().resolve(spec_of(shape, True), hardware)
        assert isinstance(resolved, GANRecipe)
        settings = to_settings(resolved)
        assert all(value is not None for value in settings.values()), settings
        again = from_settings(recipe_class(name), json.loads(json.dumps(settings)))
        assert again == resolved == again.resolve(spec_of(shape, True), hardware)


@pytest.mark.parametrize("name", SMALLEST)
@every_shape
def test_too_small_a_size_is_refused_with_an_alternative(name: str, shape: tuple[int, int, int]) -> None:
    spec = spec_of(shape, True)
    if not too_small(name, spec):
        return
    with pytest.raises(UsageError, match=rf"{shape[0]}x{shape[1]} images .*--size \d+x\d+ or larger, or --recipe \w+"):
        recipe_class(name)().resolve(spec, CPU)


@every_recipe
def test_explicit_settings_are_kept(name: str) -> None:
    recipe = recipe_class(name)(**TINY[name])
    resolved = recipe.resolve(spec_of((28, 28, 1), True), CPU)
    assert all(getattr(resolved, key) == value for key, value in TINY[name].items())


@every_recipe
def test_unknown_saved_settings_are_named(name: str) -> None:
    with pytest.raises(SparringError, match=r"latent_dims.*did you mean 'latent_dim'"):
        from_settings(recipe_class(name), {"latent_dims": 3})


@every_recipe
@pytest.mark.parametrize("field", ["latent_dim", "batch_size", "accumulation_steps", "lr", "ema_half_life"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_impossible_settings_are_refused(name: str, field: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{field.replace('_', '-')} must be above 0"):
        recipe_class(name)(**{field: value})


@every_recipe
def test_every_field_has_help_and_every_recipe_a_paper(name: str) -> None:
    kind = recipe_class(name)
    assert kind.name == name and "arXiv" in kind.paper
    assert dataclasses.fields(kind) and kind.__dataclass_params__.frozen  # type: ignore[arg-type,attr-defined]


@every_recipe
@with_and_without
@every_shape
def test_memory_is_estimated(name: str, labels: bool, shape: tuple[int, int, int]) -> None:
    spec = spec_of(shape, labels)
    needed = memory_needed(tiny(name, spec), spec)
    assert 100_000_000 < needed < 2_000_000_000


@every_recipe
def test_too_large_a_size_is_refused_with_one_that_fits(name: str) -> None:
    spec = ImageSpec(8192, 8192, 3, CLASSES, 100)
    recipe = recipe_class(name)().resolve(spec, CPU)
    with pytest.raises(SparringError, match=r"8192x8192 .* GB .*--size \d+x\d+ fits"):
        check_memory(recipe, spec, CPU)


def test_an_unknown_recipe() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'dcgn': did you mean 'dcgan'"):
        recipe_class("dcgn")
