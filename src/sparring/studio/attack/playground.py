"""The attack playground: one example, one threat model, and what a change within it does to the answer.

Attacks see what `Classifier.predict` answers, with the changed copies that it averages: `log_probabilities`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.attacks.fmn import fmn
from sparring.attacks.norms import Norm, length
from sparring.attacks.pgd import pgd
from sparring.attacks.result import Result
from sparring.attacks.smoothing import ABSTAIN, certify
from sparring.attacks.threat_for import DECIBELS, SERIES_EPS, default_eps, is_mnist_like, threat_for
from sparring.attacks.threat_model import Threat
from sparring.engine.data_spec import PCM_LEVELS, AudioSpec, DataSpec, ImageSpec, SeriesSpec
from sparring.engine.errors import UsageError
from sparring.models.answers import NONE, Answers
from sparring.models.classifier import Classifier
from sparring.recipes.adversarial.noisy import Noisy

BARS = 6
"""Classes whose probabilities are shown."""
DRAWS = 1000
"""Draws of noise for a certificate: radii up to 2.4 sigma."""
SEARCH_STEPS = 30
"""Steps of the search for the smallest change: 50 gave distances within 8 % of those of 20 on 20 digits."""
PEAK = 0.5
"""Peak of a change when it is scaled to be looked at or listened to, in units where the data fill 1."""


@dataclass(frozen=True)
class Budget:
    """The slider of one norm."""

    low: float
    high: float
    default: float
    step: float
    unit: str


@dataclass(frozen=True)
class Playground:
    """How examples of one kind of data are attacked and shown."""

    budgets: Mapping[Norm, Budget]
    threat: Callable[[Tensor, float, Norm], Threat]
    """Threat model of inputs `[1, ...]` in the box."""
    budget_at: Callable[[Tensor, float], float]
    """Position of the slider at which a change of this distance from `x` is allowed."""
    scaled_change: Callable[[Tensor, Tensor], tuple[NDArray[Any], float]]
    """Stored rows `[1, ...]` that show the change from `x` to `adv`, and the factor by which it was scaled."""
    in_box: Callable[[Tensor], Tensor] = lambda x: x
    """Network input -> the units of the threat model."""
    out_of_box: Callable[[Tensor], Tensor] = lambda x: x
    """Its inverse."""
    drawable: bool = False
    """True where an example can be drawn with the mouse."""


@singledispatch
def playground_for(spec: DataSpec) -> Playground:
    """Return the playground of a kind of data; raise UsageError where there is none."""
    raise UsageError(f"the playground has no sliders for {spec.plural}: `sparring attack` attacks this run")


@playground_for.register
def _images(spec: ImageSpec) -> Playground:
    widest = 0.5 if is_mnist_like(spec) else 4 * default_eps("Linf", spec)
    longest = min(4 * default_eps("L2", spec), math.floor(math.sqrt(math.prod(spec.shape))))
    unit = "pixels from 0 to 1"
    return Playground(
        {
            "Linf": Budget(0.0, round(widest, 3), round(default_eps("Linf", spec), 4), 0.001, unit),
            "L2": Budget(0.0, longest, default_eps("L2", spec), 0.01, unit),
        },
        lambda x, budget, norm: threat_for(spec, x, budget, norm=norm),
        lambda x, distance: distance,
        _image_change,
        in_box=lambda x: ((x + 1) / 2).clamp(0, 1),
        out_of_box=lambda x: 2 * x - 1,
        drawable=True,
    )


@playground_for.register
def _sounds(spec: AudioSpec) -> Playground:
    def threat(x: Tensor, budget: float, norm: Norm) -> Threat:
        sounding = x.ne(0).flip(-1).cumsum(-1).flip(-1).gt(0)  # the silence of the padding stays silent
        return threat_for(spec, x, budget, mask=sounding.float())

    return Playground(
        {"Linf": Budget(-70.0, 0.0, DECIBELS, 0.5, "decibels against the peak of the sound")},
        threat,
        lambda x, distance: 20 * math.log10(max(distance, 1e-12) / max(float(x.abs().max()), 1e-12)),
        _sound_change,
    )


@playground_for.register
def _series(spec: SeriesSpec) -> Playground:
    unit = "standard deviations of each channel"
    return Playground(
        {
            "Linf": Budget(0.0, 10 * SERIES_EPS, SERIES_EPS, 0.01, unit),
            "L2": Budget(0.0, 100 * SERIES_EPS, 10 * SERIES_EPS, 0.05, unit),
        },
        lambda x, budget, norm: threat_for(spec, x, budget, norm=norm),
        lambda x, distance: distance,
        lambda x, adv: (spec.decode(adv) - spec.decode(x), 1.0),
    )


def _image_change(x: Tensor, adv: Tensor) -> tuple[NDArray[Any], float]:
    """Return the scaled change of images in [0, 1] as pixels around grey."""
    change = adv - x
    factor = _factor(float(change.abs().max()))
    shown = (0.5 + factor * change).mul(255).round().clamp(0, 255)
    return shown.byte().permute(0, 2, 3, 1).cpu().numpy(), factor


def _sound_change(x: Tensor, adv: Tensor) -> tuple[NDArray[Any], float]:
    """Return the scaled change of sounds as 16-bit samples."""
    change = adv - x
    factor = _factor(float(change.abs().max()))
    samples = (factor * change).mul(PCM_LEVELS).round().clamp(-PCM_LEVELS, PCM_LEVELS - 1)
    return samples.short().squeeze(1).cpu().numpy(), factor


def _factor(peak: float) -> float:
    """Return the factor that brings a change of this peak to PEAK, with two digits; 1 for no change."""
    return float(f"{PEAK / peak:.2g}") if peak > 0 else 1.0


# attacks


@dataclass(frozen=True, eq=False)
class Setting:
    """The position of the sliders."""

    norm: Norm
    budget: float
    steps: int
    seed: int
    target: int | None = None
    """Class that the attack is to reach; None: any other one."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One example before and after an attack, as stored rows `[1, ...]`."""

    before: NDArray[Any]
    after: NDArray[Any]
    change: NDArray[Any]
    factor: float
    answers: Answers
    """Of the example, and of the attacked one."""
    result: Result
    budget: float
    """Budget at which this change is allowed: that of the slider or less."""


def attack_example(classifier: Classifier, row: NDArray[Any], label: int, setting: Setting) -> Trial:
    """Attack one stored row `[...]` of class `label` by PGD; label -1: away from the answer before the attack."""
    ground = playground_for(classifier.spec)
    x, y, model = _start(classifier, ground, row, label)
    threat = ground.threat(x, setting.budget, setting.norm)
    target = None if setting.target is None else torch.tensor([setting.target])
    result = pgd(model, x, y, threat, target=target, steps=setting.steps, seed=setting.seed)
    change, factor = ground.scaled_change(x, result.adv)
    both = ground.out_of_box(torch.cat([x, result.adv]))
    before, after = (classifier.spec.decode(one) for one in torch.split(both, 1))
    distance = float(length(setting.norm, result.adv - x))
    return Trial(before, after, change, factor, classifier.predict(both), result, ground.budget_at(x, distance))


def smallest_budget(classifier: Classifier, row: NDArray[Any], label: int, norm: Norm) -> float | None:
    """Return the smallest budget known to change the answer for one stored row (`fmn`); None where none is.

    It is an upper bound: a smaller change may do as well. On 20 digits DeepFool's were up to 1.9 times as large.
    """
    ground = playground_for(classifier.spec)
    x, y, model = _start(classifier, ground, row, label)
    widest = ground.threat(x, ground.budgets[norm].high, norm)
    distance = float(fmn(model, x, y, widest, steps=SEARCH_STEPS).distance)
    return ground.budget_at(x, distance) if math.isfinite(distance) else None


def noise_of(classifier: Classifier) -> float | None:
    """Return the standard deviation of the noise that a classifier was trained in; None: without noise."""
    return classifier.recipe.sigma if isinstance(classifier.recipe, Noisy) else None


def certified_radius(classifier: Classifier, row: NDArray[Any], seed: int = 0) -> tuple[str, float]:
    """Return the answer of the smoothed classifier for one stored row, and its certified L2 radius in the box.

    The answer is empty where it abstains. Raises UsageError where the classifier was trained without noise.
    """
    sigma, ground = noise_of(classifier), playground_for(classifier.spec)
    if sigma is None:
        raise UsageError("this run was trained without noise: `sparring harden --method noisy` trains for certificates")
    x = ground.in_box(classifier.to_input(row))
    certificate = certify(lambda x: classifier.logits(ground.out_of_box(x)), x, sigma, n=DRAWS, seed=seed)
    number = int(certificate.classes)
    name = "" if number == ABSTAIN else (*classifier.classes, NONE)[number]
    return name, float(certificate.radius)


def bars(answers: Answers) -> list[dict[str, Any]]:
    """Return the likeliest classes of all `answers`, each with its probability in each of them."""
    names = (*answers.classes, NONE)[: answers.probabilities.shape[1]]
    best = answers.probabilities.amax(0).topk(min(BARS, len(names))).indices.tolist()
    return [{"name": names[k], "probabilities": answers.probabilities[:, k].tolist()} for k in best]


def sliders(spec: DataSpec) -> dict[str, Any]:
    """Return what the page needs to know of a kind of data."""
    ground = playground_for(spec)
    return {"budgets": {norm: asdict(budget) for norm, budget in ground.budgets.items()}, "drawable": ground.drawable}


def _start(
    classifier: Classifier, ground: Playground, row: NDArray[Any], label: int
) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """Return the example `[1, ...]` in the box, its class `[1]`, and the model of the box."""
    x = ground.in_box(classifier.to_input(np.asarray(row)[None]))
    with torch.no_grad():
        number = int(classifier.log_probabilities(ground.out_of_box(x)).argmax(1)) if label < 0 else label
    return x, torch.tensor([number]), lambda x: classifier.log_probabilities(ground.out_of_box(x))
