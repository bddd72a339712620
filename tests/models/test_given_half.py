"""Pairs with a given half: the class and the shared noise that it was made with are found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparring.engine.data_spec import ImageSpec, PairSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.models.generator import GeneratorModel
from sparring.models.given_half import HalfInference
from sparring.nets.pair_gan import PairGenerator
from sparring.recipes.generators.r3 import R3

CLASSES = ("a", "b", "c")
SPEC = PairSpec((ImageSpec(8, 8, 1, CLASSES, 90), ImageSpec(6, 6, 1, CLASSES, 90)), CLASSES, 90)


class Bars(nn.Module):
    """A row whose place is the class and whose shade is the shared noise, on a little private noise."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side, self.unused = side, nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        images = 0.02 * z[:, 1:2, None, None].expand(-1, 1, self.side, self.side).clone() - 0.5
        assert y is not None
        images[torch.arange(len(z)), 0, 2 * y] = torch.sigmoid(z[:, :1])
        return images


def model() -> GeneratorModel:
    recipe = R3(width=4).resolve(SPEC, Hardware(torch.device("cpu"), bf16=False))
    return GeneratorModel(PairGenerator([Bars(8), Bars(6)], 1, 1).eval(), SPEC, recipe, (30, 30, 30))


@pytest.mark.parametrize("half", [0, 1])
def test_class_and_shade_come_back_in_the_other_half(half: int) -> None:
    whole = model()
    inference = HalfInference.fit(whole, half)
    fields = ("first", "second")
    for k, rows in enumerate(np.split(next(whole.samples(6, seed=5)), 6)):
        label = int(whole.draw_inputs(range(6), 5)[1][k])
        given = inference.of(np.ascontiguousarray(rows[fields[half]]))
        assert given.inferred == label
        (made,) = given.samples(9, seed=1)
        assert (made[fields[half]] == rows[fields[half]]).all()
        other = made[fields[1 - half]][:, 2 * label].astype(float).mean((1, 2))
        assert abs(other - float(rows[fields[1 - half]][0, 2 * label].mean())).max() < 12
        assert len(np.unique(made[fields[1 - half]], axis=0)) > 1  # private noise is new


def test_samples_depend_on_seed_and_number_alone() -> None:
    whole = model()
    row = np.ascontiguousarray(next(whole.samples(1))["first"])
    given = HalfInference.fit(whole, 0).of(row)
    (nine,), (two,) = given.samples(9, seed=3), given.samples(2, seed=3)
    assert (nine[:2] == two).all()


def test_other_generators_are_refused() -> None:
    spec = SPEC.halves[0]
    alone = GeneratorModel(Bars(8), spec, R3(width=4))
    with pytest.raises(UsageError, match="a given half is for generators of pairs, this one generates images"):
        HalfInference.fit(alone, 0)
