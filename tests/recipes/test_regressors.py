"""Conformance of the recipes of `sparring regress`, over kinds and shapes of data. New recipes need lines in TINY."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from exact_resume import check_exact_resume
from test_classifiers import SPECS, TOTAL
from test_conformance import CPU, PRECISIONS

from sparring.commands.training.plan import memory_needed
from sparring.engine.data_spec import DataSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.seeds import mix
from sparring.models.regressor import quantiles_of
from sparring.nets.tabular_mlp import Standardize
from sparring.recipes import DEFAULTS, recipe_class, recipes_for
from sparring.recipes.recipe import from_settings, to_settings

TINY: dict[str, dict[str, Any]] = {
    "quantiles": {"width": 4, "batch_size": 4},
    "tabular_quantiles": {"hidden": 8, "batch_size": 4},
}
STATS = ((10.0, 2.0), (-1.0, 0.5))
CASES = [
    (name, replace(spec, classes=(), condition_stats=STATS[:count]))  # type: ignore[type-var]
    for name, entry in recipes_for("regress").items()
    for kind in entry.kinds
    for spec in SPECS[kind]
    for count in (1, 2)
]
every_case = pytest.mark.parametrize(("name", "spec"), CASES, ids=str)
one_of_each = pytest.mark.parametrize(("name", "spec"), [CASES[0], CASES[-1]], ids=str)


class Numbers:
    """Noise in place of examples, labelled by numbers that depend on it."""

    batch_size = 4

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        seed = mix(nimg, turn)
        x = torch.randn(4, *self.spec.shape, generator=torch.Generator().manual_seed(seed)).tanh()
        mean = x.flatten(1).mean(1, keepdim=True)
        y = torch.cat([mean * std + middle for middle, std in self.spec.condition_stats], 1)
        return [Batch(x, y, nimg // 4, seed)]


def system_of(name: str, spec: DataSpec, hardware: Hardware = CPU) -> System:
    recipe = recipe_class(name)(**TINY[name]).resolve(spec, hardware)
    torch.manual_seed(0)
    nets = recipe.nets(spec)
    recipe.prepare(nets, Numbers(spec).batches(0, 0)[0].x)
    system: System = recipe.system(spec, nets, TOTAL)
    return system


def test_the_table_of_this_file_is_complete() -> None:
    assert TINY.keys() == recipes_for("regress").keys()
    assert {kind for command, kind in DEFAULTS if command == "regress"} == SPECS.keys()


@every_case
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_round_updates_the_player_and_answers_do_not_depend_on_the_batch(
    name: str, spec: DataSpec, precision: str
) -> None:
    hardware = Hardware(torch.device("cpu"), precision == "bf16")
    system = system_of(name, spec, hardware)
    net = system.game.players["regressor"]
    before = {k: p.detach().clone() for k, p in net.named_parameters()}
    play(system, Numbers(spec), total=12, hardware=hardware)
    assert not [k for k, old in before.items() if torch.equal(net.get_parameter(k), old)]
    average: Any = system.ema.net
    x = Numbers(spec).batches(0, 0)[0].x
    quantiles = quantiles_of(average["regressor"].eval(), x)
    assert quantiles.shape == (4, len(spec.condition_stats), 3) and torch.isfinite(quantiles).all()
    assert (quantiles.diff(dim=2) >= 0).all()
    torch.testing.assert_close(quantiles_of(average["regressor"], x[:2]).float(), quantiles[:2].float())


@one_of_each
def test_a_stopped_game_is_bit_identical_to_an_uninterrupted_one(name: str, spec: DataSpec, tmp_path: Path) -> None:
    check_exact_resume(lambda: (system_of(name, spec), Numbers(spec)), 40, tmp_path)


@every_case
def test_resolved_recipes_are_complete_and_settings_round_trip(name: str, spec: DataSpec) -> None:
    resolved = recipe_class(name)().resolve(spec, CPU)
    settings = to_settings(resolved)
    assert all(value is not None for value in settings.values()), settings
    again = from_settings(recipe_class(name), json.loads(json.dumps(settings)))
    assert again == resolved == again.resolve(spec, CPU)
    assert resolved.condition_stats(spec) == spec.condition_stats and memory_needed(resolved, spec) > 0


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_a_coverage_is_a_fraction(name: str, coverage: float) -> None:
    with pytest.raises(UsageError, match="--coverage must be above 0 and below 1"):
        recipe_class(name)(coverage=coverage)
    assert recipe_class(name)(coverage=0.8).levels == pytest.approx((0.1, 0.5, 0.9))


def test_tables_are_standardised() -> None:
    name, spec = CASES[-1]
    net = system_of(name, spec).game.players["regressor"]
    (layer,) = (layer for layer in net.modules() if isinstance(layer, Standardize))
    assert not torch.equal(layer.mean, torch.zeros_like(layer.mean))
