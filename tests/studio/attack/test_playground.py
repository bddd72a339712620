"""What the attack playground computes, against closed forms of linear classifiers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sparring.attacks.norms import Norm
from sparring.engine.data_spec import AudioSpec, Column, ImageSpec, SeriesSpec, TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.models.answers import NONE
from sparring.models.classifier import Classifier
from sparring.nets.lda import LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features
from sparring.recipes.adversarial.noisy import Noisy
from sparring.recipes.supervised.series_cnn import SeriesClassifier
from sparring.studio.attack.playground import (
    Setting,
    attack_example,
    bars,
    certified_radius,
    noise_of,
    playground_for,
    sliders,
    smallest_budget,
)

IMAGES = ImageSpec(6, 5, 1, ("a", "b"), 10)
CPU = Hardware(torch.device("cpu"), bf16=False)


class Linear(nn.Module):
    """Logits of two classes that differ by w . x + bias."""

    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.head = nn.Linear(len(weight), 2)
        self.head.weight.data = torch.stack([torch.zeros_like(weight), weight])
        self.head.bias.data = torch.tensor([0.0, bias])

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def linear(spec: ImageSpec | SeriesSpec | AudioSpec, bias: float = 0.8, least: float = -1.0) -> Classifier:
    torch.manual_seed(0)
    size = math.prod(spec.shape)
    net = Linear(torch.randn(size) / 10, bias).eval().requires_grad_(False)
    features, embeddings = ood_features(net, torch.randn(40, *spec.shape))
    memory = Memory(LDA.fit(features, torch.arange(2).repeat_interleave(20)), embeddings)
    recipe = Noisy(sigma=0.25) if isinstance(spec, ImageSpec) else SeriesClassifier()
    return Classifier(net, spec, recipe, spec.classes, 1.0, least, memory, {"custom_nets": False})


def grey() -> np.ndarray:
    return np.full((6, 5, 1), 128, np.uint8)


def weight_of(classifier: Classifier) -> Tensor:
    weight: Tensor = classifier.net.head.weight[1]  # type: ignore[index, union-attr]
    return weight


@pytest.mark.parametrize(("norm", "order"), [("Linf", 1), ("L2", 2)])
def test_the_smallest_budget_is_the_distance_to_the_boundary(norm: Norm, order: int) -> None:
    classifier = linear(IMAGES)
    x = classifier.to_input(grey()[None])
    margin = float((classifier.logits(x)[0, 1] - classifier.logits(x)[0, 0]).abs())
    distance = margin / (2 * float(weight_of(classifier).norm(order)))  # pixels of [0, 1] are doubled
    assert smallest_budget(classifier, grey(), 1, norm) == pytest.approx(distance, rel=0.03)
    for factor, fooled in ((0.95, False), (1.05, True)):
        trial = attack_example(classifier, grey(), 1, Setting(norm, factor * distance, 40, 0))
        assert bool(trial.result.success) is fooled and (trial.answers[1].likeliest == "a") is fooled


def test_a_row_without_a_label_is_attacked_away_from_its_answer() -> None:
    trial = attack_example(linear(IMAGES), grey(), -1, Setting("L2", 3.0, 10, 0))
    assert (trial.answers[0].label, trial.answers[1].label) == ("b", "a") and trial.budget <= 3.0


def test_a_target_is_reached_or_the_answer_stays() -> None:
    classifier = linear(IMAGES)
    assert attack_example(classifier, grey(), 1, Setting("L2", 3.0, 10, 0, target=0)).answers[1].label == "a"
    assert attack_example(classifier, grey(), 1, Setting("L2", 0.01, 10, 0, target=0)).answers[1].label == "b"


def test_no_budget_changes_nothing() -> None:
    trial = attack_example(linear(IMAGES), grey(), 1, Setting("Linf", 0.0, 5, 0))
    assert (trial.before == trial.after).all() and trial.factor == 1 and (trial.change == 128).all()


def test_the_change_is_shown_scaled_around_grey() -> None:
    trial = attack_example(linear(IMAGES), grey(), 1, Setting("Linf", 0.02, 20, 0))
    assert trial.factor == 25  # 0.5 / 0.02
    change = (trial.change.astype(float) - 127.5) / 255 / trial.factor
    assert np.abs(change).max() == pytest.approx(0.02, rel=0.05)
    assert (np.sign(change) == np.sign(trial.after.astype(int) - trial.before)).mean() > 0.9


def test_an_unfamiliar_example_is_none_of_these() -> None:
    trial = attack_example(linear(IMAGES, least=2.0), grey(), 1, Setting("L2", 3.0, 10, 0))
    assert [answer.label for answer in trial.answers] == [NONE, NONE]
    assert [answer.likeliest for answer in trial.answers] == ["b", "a"]


def test_bars_are_the_probabilities_before_and_after() -> None:
    trial = attack_example(linear(IMAGES), grey(), 1, Setting("L2", 3.0, 10, 0))
    shown = {bar["name"]: bar["probabilities"] for bar in bars(trial.answers)}
    assert set(shown) == {"a", "b"} and shown["a"][0] + shown["b"][0] == pytest.approx(1)
    assert shown["b"][0] == pytest.approx(trial.answers[0].probability)


def test_the_certificate_of_a_linear_classifier_is_below_its_distance() -> None:
    classifier = linear(IMAGES)
    x = classifier.to_input(grey()[None])
    margin = float(classifier.logits(x)[0, 1] - classifier.logits(x)[0, 0])
    distance = margin / (2 * float(weight_of(classifier).norm()))  # the smoothed classifier's boundary is the same
    name, radius = certified_radius(classifier, grey())
    assert name == "b" and 0.7 * min(distance, 0.6) < radius <= distance
    assert noise_of(classifier) == 0.25


def test_without_noise_nothing_is_certified() -> None:
    with pytest.raises(UsageError, match="trained without noise"):
        certified_radius(linear(SeriesSpec(("u",), 30, (0.0,), (1.0,), ("a", "b"))), np.zeros((1, 30), np.float32))


def test_sounds_are_attacked_in_decibels_of_their_peak() -> None:
    spec = AudioSpec(8000, 100, ("a", "b"))
    classifier = linear(spec, bias=0.1)
    wave = np.zeros(100, np.int16)
    wave[:60] = (8000 * np.sin(np.arange(60))).astype(np.int16)
    trial = attack_example(classifier, wave, -1, Setting("Linf", -20.0, 20, 0))
    change = np.abs(trial.after.astype(int) - trial.before)
    assert change.max() <= np.abs(wave).max() * 0.1 + 1 and trial.budget <= -20 + 1e-3
    assert not trial.after[0, 60:].any()  # the silence of the padding stays silent
    smallest = smallest_budget(classifier, wave, -1, "Linf")
    assert smallest is not None and -70 < smallest < 0


def test_series_are_attacked_in_standard_deviations() -> None:
    spec = SeriesSpec(("u", "v"), 20, (5.0, 0.0), (2.0, 1.0), ("a", "b"))
    row = np.random.default_rng(0).normal(size=(2, 20)).astype(np.float32)
    trial = attack_example(linear(spec), row, -1, Setting("Linf", 0.1, 20, 0))
    assert np.abs(trial.after - trial.before).max(axis=(0, 2)) == pytest.approx([0.2, 0.1], rel=1e-3)
    assert trial.change == pytest.approx(trial.after - trial.before)


def test_each_kind_has_its_sliders() -> None:
    assert set(sliders(IMAGES)["budgets"]) == {"Linf", "L2"} and sliders(IMAGES)["drawable"]
    assert sliders(ImageSpec(32, 32, 3))["budgets"]["Linf"]["default"] == pytest.approx(8 / 255, abs=1e-4)
    assert set(sliders(AudioSpec(8000, 10))["budgets"]) == {"Linf"} and not sliders(AudioSpec(8000, 10))["drawable"]
    with pytest.raises(UsageError, match="no sliders for tables"):
        playground_for(TableSpec((Column("x", (0,), (), False, 0.0, 1.0),), "y"))
