"""The hit rate: 1 for a renderer with known handles, chance for random directions, the p-values of Holm."""

from __future__ import annotations

import pytest
import torch

from sparring.engine.data_spec import ImageSpec
from sparring.measure.effects.chance import RandomDirections
from sparring.measure.effects.directions import random_directions
from sparring.measure.effects.drawn_strokes import HANDLES, draw, known_directions
from sparring.measure.effects.effects import (
    Effects,
    effect_of,
    hit_rate,
    holm,
    measure_effects,
    permuted_rate,
    random_level,
)
from sparring.measure.effects.latents import Latents
from sparring.measure.effects.readings import Readings
from sparring.measure.effects.sentences import Sentence

SPEC = ImageSpec(28, 28, 1)
LATENT_DIM = 6


def latents(count: int, seed: int) -> Latents:
    """Latents of bounded pictures: uniform between -1.5 and 1.5."""
    z = torch.rand(count, LATENT_DIM, generator=torch.Generator().manual_seed(seed)) * 3 - 1.5
    return Latents(z, torch.full((count,), -1))


@pytest.fixture(scope="module")
def readings() -> Readings:
    return Readings.fit(SPEC, draw(latents(500, 0)))


def effects(readings: Readings, directions: list, count: int = 40) -> Effects:  # type: ignore[type-arg]
    written, fresh = latents(100, 1), latents(100, 2)
    return measure_effects(
        draw, readings, directions, written, fresh,
        RandomDirections(draw, readings, written[:30], fresh[:30], count),
    )  # fmt: skip


def test_a_renderer_with_known_handles_has_a_hit_rate_of_one(readings: Readings) -> None:
    result = effects(readings, known_directions(LATENT_DIM))
    assert result.rate.value == 1
    assert result.rate.low > 0.95
    assert [readings.names[each.sentence.reading] for each in result.handles] == list(HANDLES)
    assert all(each.sentence.sign == 1 for each in result.handles)
    assert result.chance.permuted == 0  # each handle has its own reading
    assert result.chance.level < 0.5
    assert result.is_beyond_chance
    assert result.doses[0.5].value > 0.9


def test_random_directions_are_within_chance(readings: Readings) -> None:
    result = effects(readings, random_directions(LATENT_DIM, 6, seed=7), count=60)
    assert not result.is_beyond_chance
    assert sum(each.is_beyond_chance for each in result.handles) == 0


def test_random_directions_change_the_pictures_as_much(readings: Readings) -> None:
    random = RandomDirections(draw, readings, latents(50, 1), latents(50, 2), 10)
    direction = random_directions(LATENT_DIM, 1, seed=3)[0].vector
    step = random._scaled(direction, 0.1)
    assert effect_of(draw, readings, latents(50, 1), step).size[:16].mean().item() == pytest.approx(0.1, rel=0.1)


def test_the_interval_of_equal_rates_is_wilsons() -> None:
    interval = hit_rate(torch.ones(100, 3, dtype=torch.bool))
    assert (interval.value, interval.high) == (1, pytest.approx(1))
    assert interval.low == pytest.approx(0.963, abs=1e-3)


def test_hits_of_one_latent_that_go_together_widen_the_interval() -> None:
    generator = torch.Generator().manual_seed(0)
    alone = torch.rand(400, 8, generator=generator) < 0.5
    together = (torch.rand(400, 1, generator=generator) < 0.5).expand(-1, 8)
    wide, narrow = (hit_rate(hits) for hits in (together, alone))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert (wide.high - wide.low) / 2 == pytest.approx(0.049, abs=0.01)  # of one handle alone
    assert (narrow.high - narrow.low) / 2 == pytest.approx(0.017, abs=0.005)


def test_permuted_sentences_are_those_of_the_other_handles() -> None:
    slant, width = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    sentences = [Sentence(0, 1), Sentence(1, 1)]
    assert permuted_rate([slant, width], sentences) == 0
    assert permuted_rate([slant, slant], [Sentence(0, 1)] * 2) == 1  # a sentence that all handles share says nothing
    assert permuted_rate([slant], sentences[:1]) == 0


def test_the_level_of_random_sets_lies_between_their_mean_and_largest() -> None:
    rates = torch.rand(8, 25, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    level = random_level(rates)
    assert float(rates.mean()) < level < float(rates.max())
    assert random_level(torch.full((3, 5), 0.25)) == pytest.approx(0.25)


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1, 1]
