"""From weights to answers: what calibration looks at."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from sparring.commands import calibrate
from sparring.commands.calibrate import calibrated
from sparring.data.arrays import Arrays
from sparring.data.changes import Changes
from sparring.engine.device import Hardware
from sparring.engine.spec import Spec
from sparring.recipes.consistent import Consistent

SPEC = Spec(8, 8, 1, ("a", "b"), 40)
CPU = Hardware(torch.device("cpu"), bf16=False)


def temperature(recipe: Consistent) -> float:
    luck = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = luck.integers(0, 200, (40, 8, 8, 1)).astype(np.uint8)
    images[labels == 1, :, :4] += 40  # brighter on the left
    torch.manual_seed(0)
    net: nn.Module = recipe.resolve(SPEC, CPU).nets(SPEC)["classifier"]
    return calibrated(net, Arrays(images, labels, SPEC, None), recipe, {}, CPU).temperature


class Still(Consistent):
    changes: ClassVar[Changes] = Changes()


def test_copies_are_changed_alike_however_strong_the_changes_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "COPIES", 200)
    usual = temperature(Consistent(width=4))
    assert temperature(Consistent(width=4, strength=0.0)) == temperature(Consistent(width=4, strength=2.0)) == usual
    assert temperature(Still(width=4)) != usual  # changes do count


def test_the_bound_of_few_is_that_of_a_normal_distribution() -> None:
    luck = torch.Generator().manual_seed(0)
    many = torch.randn(20000, generator=luck)
    assert float((many < calibrate._bound(many)).float().mean()) == pytest.approx(calibrate.STRANGE, rel=0.05)
    few = [calibrate._bound(part) for part in torch.split(many, 40)]
    # the least of 40 would be -2.2, which one in 75 falls below
    assert float(np.mean(few)) == pytest.approx(-2.88, abs=0.15)
    assert all(bound <= float(part.sort().values[1]) for bound, part in zip(few, torch.split(many, 40), strict=True))
    assert calibrate._bound(torch.full((5,), 0.5)) == pytest.approx(0.5)
