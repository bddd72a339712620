"""Conformance of all adversarial training recipes, over all shapes of data. A new recipe needs a line in TINY."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sparring.engine import checkpoint
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.games.overfitting_guard import OverfittingGuard
from sparring.nets.robustness_cnns import NETS
from sparring.recipes import default_recipe, recipe_class, recipes_for
from sparring.recipes.adversarial.base import AdversarialRecipe, pixel_threat
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.recipes.recipe import from_settings, to_settings

TINY: dict[str, dict[str, Any]] = {
    "fgsm": {}, "pgd": {"steps": 3}, "fast": {}, "free": {"replays": 2}, "trades": {"steps": 3}, "noisy": {},
}  # fmt: skip
SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (17, 23, 4), (5, 3, 2), (1, 1, 1), (1, 40, 3)]
CPU = Hardware(torch.device("cpu"), bf16=False)
TOTAL = 40

every_method = pytest.mark.parametrize("name", recipes_for("harden"))
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


class BatchLoader:
    """Noise in place of images."""

    batch_size = 4

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        x = torch.randn(4, *self.spec.shape, generator=torch.Generator().manual_seed(nimg)).tanh()
        return [Batch(x, torch.arange(4) % 3, nimg // 4, nimg)]


def spec_of(shape: tuple[int, int, int]) -> ImageSpec:
    return ImageSpec(*shape, ("a", "b", "c"), 100)


def tiny(name: str, **given: Any) -> AdversarialRecipe:
    return recipe_class(name)(**{"width": 4, "batch_size": 4, **TINY[name], **given})


def system_of(recipe: AdversarialRecipe, spec: ImageSpec) -> System:
    torch.manual_seed(0)
    return recipe.system(spec, {name: CPU.to_device(net) for name, net in recipe.nets(spec).items()}, TOTAL)


def test_the_table_of_this_file_is_complete() -> None:
    assert TINY.keys() == recipes_for("harden").keys() and default_recipe("harden") in TINY


@every_method
def test_it_meets_the_protocol_and_settings_round_trip(name: str) -> None:
    recipe = recipe_class(name)()
    assert isinstance(recipe, ClassifierRecipe) and recipe.name == name and recipe.paper
    assert from_settings(type(recipe), to_settings(recipe)) == recipe


@every_method
@every_shape
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_a_round_updates_all_weights(name: str, shape: tuple[int, int, int], norm: str) -> None:
    spec = spec_of(shape)
    recipe = tiny(name, norm=norm, eps=0.1).resolve(spec, CPU)
    system = system_of(recipe, spec)
    net = system.game.players["classifier"]
    before = {key: p.detach().clone() for key, p in net.named_parameters()}
    play(system, BatchLoader(spec), total=TOTAL, hardware=CPU)
    for key, p in net.named_parameters():
        assert torch.isfinite(p).all()
        still = min(shape[:2]) == 1 and key.startswith(("body.", "first."))  # rectifiers may sleep on a pixel
        assert still or not torch.equal(p, before[key]), key
    logits = system.ema.net["classifier"](torch.zeros(2, *spec.shape))  # type: ignore[operator, index]
    assert logits.shape == (2, 3)


@every_method
@pytest.mark.parametrize("at", [4, 20])
def test_a_stopped_run_resumes_bit_exactly(name: str, at: int, tmp_path: Path) -> None:
    spec = spec_of((8, 8, 1))
    recipe = tiny(name, eps_ramp=0.3, ema_half_life=0.1, guard=True).resolve(spec, CPU)
    held = BatchLoader(spec).batches(99, 0)[0]

    def fresh() -> System:
        system = system_of(recipe, spec)
        guard = system.game.players["guard"]
        assert isinstance(guard, OverfittingGuard)
        guard.set_images(held.x, held.y)
        return system

    whole, first, second = fresh(), fresh(), fresh()
    for system in (whole, first):
        play(
            system,
            BatchLoader(spec),
            total=TOTAL,
            hardware=CPU,
            should_stop=iter([False] * (at // 4) + [True]).__next__,
        )
        system.game.players["guard"].check(system)  # type: ignore[operator]
        system.game.players["guard"].rollbacks += 1  # type: ignore[operator]
    checkpoint.save(first, tmp_path / "saved", at)
    assert checkpoint.load(second, tmp_path / "saved") == at
    for system in (whole, second):
        play(system, BatchLoader(spec), total=TOTAL, start=at, hardware=CPU)
        system.game.players["guard"].check(system)  # type: ignore[operator]
    for player, net in whole.game.players.items():
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor, second.game.players[player].state_dict()[key]), (player, key)
    for key, tensor in whole.ema.net.state_dict().items():
        assert torch.equal(tensor, second.ema.net.state_dict()[key]), key


@pytest.mark.parametrize(
    ("shape", "norm", "eps", "net"),
    [((28, 28, 1), "Linf", 0.3, "wong"), ((32, 32, 3), "Linf", 8 / 255, "strided"),
     ((28, 28, 1), "L2", 1.5, "wong"), ((32, 32, 3), "L2", 0.5, "strided"),
     ((64, 48, 1), "Linf", 8 / 255, "wong"), ((64, 48, 1), "L2", 0.5, "wong")],
)  # fmt: skip
def test_radius_and_network_fit_the_images(shape: tuple[int, int, int], norm: str, eps: float, net: str) -> None:
    recipe = recipe_class("fast")(norm=norm).resolve(spec_of(shape), CPU)
    assert (recipe.eps, recipe.net) == (eps, net)


def test_every_paper_has_its_network() -> None:
    chosen = {name: recipe_class(name)().resolve(spec_of((28, 28, 1)), CPU).net for name in recipes_for("harden")}
    assert chosen == {
        "fgsm": "maxout",
        "pgd": "madry",
        "fast": "wong",
        "free": "wong",
        "trades": "trades",
        "noisy": "wong",
    }
    assert set(chosen.values()) < set(NETS)


def test_eps_is_converted_to_pixels_in_minus_1_to_1() -> None:
    threat = pixel_threat("Linf", 0.3)
    assert (threat.norm, threat.eps, threat.low, threat.high) == ("Linf", 0.6, -1.0, 1.0)
    black, white = torch.full((1, 1, 2, 2), -1.0), torch.full((1, 1, 2, 2), 1.0)
    assert not threat.allows(white, black) and pixel_threat("Linf", 1.0).allows(white, black)
    assert pixel_threat("L2", 2.0).allows(white, black) and not pixel_threat("L2", 1.9).allows(white, black)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"eps": 8}, "--eps 8 is beyond the whole box.*8/255 is 0.03137"),
        ({"eps": -0.1}, "--eps must be 0 or more"),
        ({"eps": float("nan")}, "--eps must be 0 or more"),
        ({"norm": "Linff"}, "unknown norm 'Linff': did you mean 'Linf'"),
        ({"norm": "L1"}, "unknown norm 'L1'"),
        ({"net": "vong"}, "unknown net 'vong': did you mean 'wong'"),
        ({"lr": 0}, "--lr must be above 0"),
        ({"step_size": 0}, "--step-size must be above 0"),
        ({"eps_ramp": 1.0}, "--eps-ramp must be at least 0 and below 1"),
        ({"ema_half_life": -1}, "--ema-half-life must be at least 0"),
    ],
)
def test_invalid_settings_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe_class("fast")(**given)


def test_the_largest_l2_eps_depends_on_the_size() -> None:
    recipe = recipe_class("fast")(norm="L2", eps=10.0)
    assert recipe.resolve(spec_of((28, 28, 1)), CPU).eps == 10.0
    with pytest.raises(UsageError, match="beyond the whole box of pixels from 0 to 1, 8 across in L2"):
        recipe.resolve(spec_of((8, 8, 1)), CPU)


@pytest.mark.parametrize(
    ("name", "words"),
    [("fsat", "unknown recipe 'fsat': did you mean 'fast'"), ("r3", "sparring train SOURCE --recipe r3"),
     ("improved", "sparring classify")],
)  # fmt: skip
def test_recipes_of_other_commands_are_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe_class(name, "harden")


def test_with_eps_0_it_is_ordinary_training() -> None:
    spec = spec_of((8, 8, 1))
    recipe = tiny("fast", eps=0.0).resolve(spec, CPU)
    system, batch = system_of(recipe, spec), BatchLoader(spec).batches(0, 0)[0]
    net = system.game.players["classifier"]
    loss, _ = system.game.loss("classifier", batch, 0.0)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(net(batch.x), batch.y))


def test_sigma_is_in_units_of_pixels_in_0_to_1() -> None:
    """sigma in pixels in [0, 1] is doubled for images in [-1, 1]."""
    spec = spec_of((8, 8, 1))
    system, batch = system_of(tiny("noisy", sigma=0.25).resolve(spec, CPU), spec), BatchLoader(spec).batches(0, 0)[0]
    net = system.game.players["classifier"]
    loss, _ = system.game.loss("classifier", batch, 0.0)
    noise = BatchLoader(spec).batches(0, 0)[0].normal(*spec.shape)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(net(batch.x + 0.5 * noise), batch.y))
    with pytest.raises(UsageError, match="--sigma must be above 0"):
        recipe_class("noisy")(sigma=0.0)  # type: ignore[call-arg]
