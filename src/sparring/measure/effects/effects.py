"""Measure how often sentences about the handles of a generator hold on fresh latents, beside chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sparring.measure.effects.directions import Direction
from sparring.measure.effects.latents import Latents, Render
from sparring.measure.effects.readings import Readings
from sparring.measure.effects.sentences import Sentence, best_sentence
from sparring.stats.intervals import Interval, ends_of, resampled_means, wilson_ends
from sparring.stats.proportion import Proportion

DOSES = (0.5, 1.0, 2.0)
"""Steps at which hit rates are measured, in standard deviations of a handle's coordinate; sentences are of step 1."""
SIGNIFICANCE = 0.05
"""Largest p-value of a sentence that counts as beyond chance."""
OnProgress = Callable[[int, int], None]


class Effect(NamedTuple):
    """What a step does to N samples."""

    change: Tensor
    """Half the change of each reading from - to +, in deviations, `[N, m]`."""
    size: Tensor
    """Root mean square of half the change of the values, `[N]`."""


def effect_of(render: Render, readings: Readings, latents: Latents, step: Tensor) -> Effect:
    """Return what moving `latents` by `step` `[d]` forwards instead of backwards does."""
    parts = []
    for chunk in latents.chunks():
        lower, upper = render(chunk.moved(-step)), render(chunk.moved(step))
        size = ((upper - lower) / 2).flatten(1).square().mean(1).sqrt().cpu()
        parts.append(Effect(readings.change(lower, upper), size))
    return Effect(*(torch.cat(part) for part in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Handle:
    """A direction of the latent space with its sentence, and how often that holds."""

    name: str
    layers: str
    """Layers that read the coordinates that it changes."""
    direction: Tensor
    """Unit vector `[d]`."""
    step: float
    """One standard deviation of the latents along the direction."""
    sentence: Sentence
    text: str
    """The sentence in words."""
    rate: Proportion
    """Fresh latents on which the sentence holds."""
    p_value: float
    """p-value that a random direction of equal change does as well, by Holm's correction for all handles."""
    change: Tensor
    """Mean change of each reading by one step, in deviations, `[m]`."""
    size: float
    """Root mean square change of the values by one step."""

    @property
    def is_beyond_chance(self) -> bool:
        """Return whether the sentence holds more often than those of random directions."""
        return self.p_value <= SIGNIFICANCE


@dataclass(frozen=True)
class Chance:
    """Hit rates without knowledge of the handles."""

    permuted: float
    """Mean hit rate of each sentence at the other handles; 0 where there is one handle alone."""
    random: float
    """95th percentile over sets of random directions of equal change, each with its best sentence."""

    @property
    def level(self) -> float:
        """The larger one, T0."""
        return max(self.permuted, self.random)


@dataclass(frozen=True, kw_only=True)
class HitRates:
    """Hit rate of sentences on fresh cases, which are latents or examples."""

    rate: Interval
    """Hit rate T over cases and sentences; its interval is a bootstrap over cases."""
    chance: Chance
    doses: dict[float, Interval]
    """Hit rate by dose: steps in standard deviations, or doses of edits."""
    count: int
    """Number of cases."""

    @property
    def is_beyond_chance(self) -> bool:
        """Return whether the lower end of the hit rate is above the chance level."""
        return self.rate.low > self.chance.level


@dataclass(frozen=True, kw_only=True)
class Effects(HitRates):
    """Handles of a generator with the hit rate of their sentences."""

    readings: tuple[str, ...]
    handles: tuple[Handle, ...]
    by_label: dict[int, float]
    """Hit rate within each class; empty without classes."""


def measure_effects(
    render: Render,
    readings: Readings,
    directions: Sequence[Direction],
    written: Latents,
    fresh: Latents,
    random_rates: Callable[[Sequence[float]], Tensor],
    on_progress: OnProgress = lambda done, total: None,
) -> Effects:
    """Write a sentence for each direction from the latents `written`, and count its hits on `fresh` ones.

    `random_rates` maps the changes of the values by each handle to hit rates of random directions of equal changes,
    `[handles, n]` (`chance.RandomDirections`). Raises ValueError without directions.
    """
    if not directions:
        raise ValueError("there are no directions")
    steps = [float((fresh.z @ each.vector).std()) for each in directions]
    sentences, sizes, hits, tables = [], [], [], []
    for k, (each, step) in enumerate(zip(directions, steps, strict=True)):
        effect = effect_of(render, readings, written, each.vector * step)
        sentences.append(best_sentence(effect.change))
        sizes.append(float(effect.size.mean()))
        by_dose = {dose: effect_of(render, readings, fresh, each.vector * step * dose).change for dose in DOSES}
        hits.append({dose: sentences[-1].hits(change) for dose, change in by_dose.items()})
        tables.append(by_dose[1.0])
        on_progress(k + 1, len(directions))
    at_one = torch.stack([each[1.0] for each in hits], 1)
    random = random_rates(sizes)
    p_values = holm([p_value_of(float(column.double().mean()), random) for column in at_one.T])
    handles = tuple(
        Handle(
            f"handle {k + 1}", each.layers, each.vector, steps[k], sentences[k],
            sentences[k].text(f"handle {k + 1}", readings.names),
            Proportion.count(int(at_one[:, k].sum()), len(fresh)), p_values[k], tables[k].mean(0), sizes[k],
        )
        for k, each in enumerate(directions)
    )  # fmt: skip
    return Effects(
        readings=readings.names, handles=handles, rate=hit_rate(at_one),
        chance=Chance(permuted_rate(tables, sentences), random_level(random)),
        doses={dose: hit_rate(torch.stack([each[dose] for each in hits], 1)) for dose in DOSES},
        by_label=_by_label(at_one, fresh.y), count=len(fresh),
    )  # fmt: skip


def hit_rate(hits: Tensor, seed: int = 0) -> Interval:
    """Return the hit rate of `hits` `[N, K]`, with a bootstrap interval over latents; Wilson's if all are equal."""
    rates = hits.double().mean(1)
    value = float(rates.mean())
    if bool((rates == rates[0]).all()):
        return Interval(value, *wilson_ends(value, len(rates)))
    return Interval(value, *ends_of(resampled_means(rates, seed)))


def permuted_rate(changes: Sequence[Tensor], sentences: Sequence[Sentence]) -> float:
    """Return the mean hit rate of each sentence at every other handle; `changes` are `[N, m]` of each handle."""
    rates = [
        float(sentence.hits(change).double().mean())
        for j, sentence in enumerate(sentences)
        for k, change in enumerate(changes)
        if j != k
    ]
    return sum(rates) / len(rates) if rates else 0.0


SETS = 200
"""Sets of random directions."""


def random_level(rates: Tensor, seed: int = 0) -> float:
    """Return the 95th percentile of the hit rate of sets of random directions, one for each handle.

    `rates` `[K, n]` are the hit rates of n directions whose change equals that of handle k.
    """
    generator = torch.Generator().manual_seed(seed)
    sampled = torch.randint(rates.shape[1], (SETS, len(rates)), generator=generator)
    sets = rates.double().gather(1, sampled.T).mean(0)
    return float(torch.quantile(sets, 0.95))


def p_value_of(rate: float, random: Tensor) -> float:
    """Return the proportion of random directions that do as well, the handle itself counted."""
    return (1 + int((random >= rate).sum())) / (1 + random.numel())


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values by Holm's step-down correction for several tests (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min((len(p_values) - rank) * p_values[k], 1.0))
        adjusted[k] = largest
    return adjusted


def _by_label(hits: Tensor, y: Tensor) -> dict[int, float]:
    if y.dim() > 1 or not bool((y >= 0).any()):
        return {}
    return {int(label): float(hits[y == label].double().mean()) for label in sorted(set(y[y >= 0].tolist()))}
