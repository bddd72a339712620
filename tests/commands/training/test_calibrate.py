"""From weights to answers: what calibration looks at."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from sparring.commands.training import calibrate
from sparring.commands.training.calibrate import calibrated
from sparring.data.augment.classifier import Augmentation
from sparring.data.in_memory import InMemoryDataset
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.recipes.semi_supervised.consistent import Consistent

SPEC = ImageSpec(8, 8, 1, ("a", "b"), 40)
CPU = Hardware(torch.device("cpu"), bf16=False)


def temperature(recipe: Consistent) -> float:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 200, (40, 8, 8, 1)).astype(np.uint8)
    images[labels == 1, :, :4] += 40  # brighter on the left
    torch.manual_seed(0)
    net: nn.Module = recipe.resolve(SPEC, CPU).nets(SPEC)["classifier"]
    return calibrated(net, InMemoryDataset(images, labels, SPEC, None), recipe, {}, CPU).temperature


class Still(Consistent):
    augmentation: ClassVar[Augmentation] = Augmentation()


def test_copies_are_changed_alike_however_strong_the_changes_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "COPIES", 200)
    usual = temperature(Consistent(width=4))
    assert (
        temperature(Consistent(width=4, augment_strength=0.0))
        == temperature(Consistent(width=4, augment_strength=2.0))
        == usual
    )
    assert temperature(Still(width=4)) != usual  # changes do count


def test_the_bound_of_few_is_that_of_a_normal_distribution() -> None:
    rng = torch.Generator().manual_seed(0)
    many = torch.randn(20000, generator=rng)
    assert float((many < calibrate._familiarity_bound(many)).float().mean()) == pytest.approx(
        calibrate.UNFAMILIAR_FRACTION, rel=0.05
    )
    few = [calibrate._familiarity_bound(part) for part in torch.split(many, 40)]
    # the least of 40 would be -2.2, which one in 75 falls below
    assert float(np.mean(few)) == pytest.approx(-2.88, abs=0.15)
    assert all(bound <= float(part.sort().values[1]) for bound, part in zip(few, torch.split(many, 40), strict=True))
    assert calibrate._familiarity_bound(torch.full((5,), 0.5)) == pytest.approx(0.5)


def test_a_twentieth_of_each_class_is_set_aside_where_labels_are_many() -> None:
    labels = np.concatenate([np.full(1000, -1), np.zeros(800, np.int64), np.full(600, 1), np.full(19, 2)])
    labels = np.random.default_rng(1).permutation(labels)
    aside = calibrate.calibration_subset(labels)
    assert np.bincount(labels[aside], minlength=3).tolist() == [40, 30, 0]  # a class of nineteen loses none
    assert len(np.unique(aside)) == 70
    assert np.array_equal(aside, calibrate.calibration_subset(labels))
    assert len(calibrate.calibration_subset(np.arange(60_000) % 10)) == calibrate.MAX_CALIBRATION
    for few in (np.arange(999) % 10, np.full(5, -1), np.empty(0, np.int64)):
        assert not len(calibrate.calibration_subset(few))


def test_the_temperature_is_that_of_the_images_set_aside() -> None:
    """A network that is right of four fifths of them and always as sure: the temperature makes its logits true."""

    class Sure(nn.Module):
        head = nn.Identity()

        def __init__(self) -> None:
            super().__init__()
            self.logit = nn.Parameter(torch.tensor([-5.0, 5.0]))

        def features(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3))[:, None] * self.logit

    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    images = np.where(labels, 255, 0).astype(np.uint8)
    aside = np.arange(100)
    images[aside] = np.where(rng.random(100) < 0.8, images[aside], 255 - images[aside])
    data = InMemoryDataset(np.tile(images[:, None, None, None], (1, 8, 8, 1)), labels, SPEC, None)
    told = calibrated(Sure(), data, Still(width=4), {}, CPU, aside)
    said = told.predict(data[aside]).probabilities.amax(1)
    right = (told.predict(data[aside]).probabilities.argmax(1).numpy() == labels[aside]).mean()
    assert said.numpy() == pytest.approx(right, abs=0.02)
    assert calibrated(Sure(), data, Still(width=4), {}, CPU).temperature < told.temperature
