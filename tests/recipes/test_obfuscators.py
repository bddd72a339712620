"""Conformance of the recipes of `sparring obfuscate`, over kinds and shapes of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exact_resume import check_exact_resume, trained_parameters
from test_classifiers import SPECS
from test_conformance import CPU

from sparring.commands.training.plan import memory_needed
from sparring.engine.data_spec import DataSpec, SeriesSpec
from sparring.engine.errors import UsageError
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.engine.seeds import mix
from sparring.recipes.features.noisy_code import NoisyCode

TINY = NoisyCode(width=4, code_size=3, batch_size=8)
CASES = [
    replace(spec, groups=("f", "m"), classes=classes)  # type: ignore[type-var]
    for kind in NoisyCode.kinds
    for spec in SPECS[kind]
    for classes in (("a", "b", "c"), ())
]


class Grouped:
    """Noise in place of examples, with classes and groups, some unknown."""

    batch_size = 8

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        seed = mix(nimg, turn)
        x = torch.randn(8, *self.spec.shape, generator=torch.Generator().manual_seed(seed)).tanh()
        return [Batch(x, torch.arange(8) % 4 - 1, nimg // 8, seed, group=torch.arange(8) % 3 - 1)]


def system_of(spec: DataSpec) -> System:
    recipe = TINY.resolve(spec, CPU)
    torch.manual_seed(0)
    nets = recipe.nets(spec)
    recipe.prepare(nets, Grouped(spec).batches(0, 0)[0].x)
    return recipe.system(spec, nets, 64)


@pytest.mark.parametrize("spec", CASES, ids=str)
def test_a_round_updates_all_players_with_finite_weights(spec: DataSpec) -> None:
    system = system_of(spec)
    assert ("classifier" in system.game.players) == bool(spec.classes)
    before = {name: p.detach().clone() for name, p in trained_parameters(system).items()}
    play(system, Grouped(spec), total=48, hardware=CPU)
    changed = {
        name.partition(".")[0] for name, p in trained_parameters(system).items() if not torch.equal(p, before[name])
    }
    assert changed == set(system.game.players)
    assert all(bool(p.isfinite().all()) for p in trained_parameters(system).values())
    assert memory_needed(TINY.resolve(spec, CPU), spec) > 0


@pytest.mark.parametrize("spec", [CASES[0], CASES[-1]], ids=str)
def test_a_resumed_run_has_the_same_bits(spec: DataSpec, tmp_path: Path) -> None:
    check_exact_resume(lambda: (system_of(spec), Grouped(spec)), 64, tmp_path)


def test_data_without_groups_and_kinds_without_an_obfuscator_are_refused() -> None:
    with pytest.raises(UsageError, match="--protect COLUMN"):
        TINY.resolve(SPECS["image"][0], CPU)
    series = SeriesSpec(("x",), 7, groups=("f", "m"))
    with pytest.raises(UsageError, match="no obfuscator for series yet"):
        TINY.nets(series)
