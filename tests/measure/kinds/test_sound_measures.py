"""Length, loudness, pitch, and accuracies of a kernel recogniser: closed forms, and what each score sees."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sparring.engine.data_spec import AudioSpec
from sparring.measure.kinds.kind_measures import COPIES, REAL, Comparison, compare
from sparring.measure.kinds.recogniser import recogniser
from sparring.measure.kinds.sound_descriptors import loudness, pitch, seconds
from sparring.measure.kinds.sound_measures import descriptors, ks_distance, tstr_accuracy
from sparring.measure.rivals.rivals import LabelledRows
from sparring.measure.rivals.sound_rivals import gaussian

RATE, LENGTH = 8000, 4000
SPEC = AudioSpec(RATE, LENGTH, ("low", "high", "noise"), 60, covered=3900)


def tone(hertz: float, length: int, amplitude: float = 3000) -> NDArray[np.int16]:
    row = np.zeros(LENGTH, np.int16)
    t = np.arange(length) / RATE
    row[:length] = amplitude * sum(np.sin(2 * np.pi * hertz * k * t + k) / k for k in range(1, 6))
    return row


def words(count: int, seed: int) -> LabelledRows:
    """Voices of two pitches, and noise, of random lengths and levels."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(count):
        length, level = int(rng.integers(1600, 3600)), rng.uniform(1500, 5000)
        if k % 3 == 2:
            rows.append(np.pad(rng.normal(0, level, length).clip(-32768, 32767), (0, LENGTH - length)).astype(np.int16))
        else:
            rows.append(tone((110, 210)[k % 3] * rng.uniform(0.9, 1.1), length, level))
    return LabelledRows(np.stack(rows), np.arange(count) % 3)


def test_descriptors_are_those_of_known_sounds() -> None:
    rows = np.stack([tone(125, 3200), tone(200, 1600, 1500), np.zeros(LENGTH, np.int16)])
    assert seconds(rows, RATE) == pytest.approx([0.4, 0.2, 0], abs=0.001)
    assert pitch(rows, RATE)[:2] == pytest.approx([125, 200], rel=0.02) and np.isnan(pitch(rows, RATE)[2])
    power = 3000**2 / 2 * sum(1 / k**2 for k in range(1, 6)) / 32768**2
    assert loudness(rows, RATE)[:2] == pytest.approx([10 * np.log10(power), 10 * np.log10(power / 4)], abs=0.1)
    assert np.isnan(loudness(rows, RATE)[2])


def test_pitch_of_noise_is_unknown_and_short_rows_are_padded() -> None:
    noise = np.random.default_rng(0).normal(0, 3000, (20, LENGTH)).astype(np.int16)
    assert np.isnan(pitch(noise, RATE)).mean() > 0.8
    assert pitch(tone(125, 300)[None, :300], RATE).shape == (1,) and pitch(noise[:0], RATE).shape == (0,)


def test_ks_distance_is_the_largest_gap() -> None:
    assert ks_distance(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])) == 0.5
    assert ks_distance(np.arange(9.0), np.arange(9.0)) == 0


def test_the_recogniser_separates_a_ring_from_its_centre() -> None:
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, 7, 200), np.arange(200) % 2
    x = np.stack([np.cos(angle), np.sin(angle)], 1) * (y + rng.normal(0, 0.1, 200))[:, None]
    recognise = recogniser(x[:100], y[:100], 2)
    assert (recognise(x[100:]) == y[100:]).mean() > 0.95


def test_scores_of_good_and_bad_samples_stand_beside_baselines() -> None:
    training, real, samples = words(60, 0), words(60, 1), words(60, 2)
    scores = {score.name: score for score in compare(Comparison(SPEC, samples, real, training))}
    assert set(scores) == {"recognised", "tstr_accuracy", "length", "pitch", "loudness"}
    assert scores["recognised"].value >= 0.95 and scores["tstr_accuracy"].value >= 0.95
    assert set(scores["tstr_accuracy"].beside) == {REAL, COPIES, "Gaussian"}
    assert scores["length"].low <= scores["length"].value <= scores["length"].high
    wrong = LabelledRows(samples.rows, (samples.labels + 1) % 3)
    bad = {score.name: score for score in compare(Comparison(SPEC, wrong, real, training))}
    assert bad["recognised"].value < 0.1 and bad["tstr_accuracy"].value < 0.1
    assert bad["pitch"].value == scores["pitch"].value


def test_each_descriptor_sees_its_own_fault() -> None:
    real = words(90, 1)
    soft = LabelledRows(real.rows // 4, real.labels)
    short = LabelledRows(real.rows * (np.arange(LENGTH) < 1000).astype(np.int16), real.labels)
    scores = [descriptors(Comparison(SPEC, rows, real, real)) for rows in (real, soft, short)]
    assert all(score.value == 0 for score in scores[0].values())
    assert scores[1]["loudness"].value > 0.8 and scores[1]["length"].value < 0.2
    assert scores[2]["length"].value == 1 and scores[2]["loudness"].value < 0.4


def test_without_words_only_descriptors_are_scored() -> None:
    bare = LabelledRows(words(40, 0).rows, np.full(40, -1))
    spec = AudioSpec(RATE, LENGTH, (), 40)
    assert {score.name for score in compare(Comparison(spec, bare, bare, bare))} == {"length", "pitch", "loudness"}
    assert tstr_accuracy(Comparison(SPEC, bare, words(20, 1), words(20, 0))) == {}


def test_the_gaussian_rival_has_the_words_and_lengths_of_the_training_recordings() -> None:
    training = words(60, 0)
    drawn = gaussian(SPEC, training, 30, np.random.default_rng(0))
    assert drawn.rows.shape == (30, LENGTH) and drawn.rows.dtype == np.int16
    assert set(drawn.labels) == {0, 1, 2}
    assert abs(np.median(seconds(drawn.rows, RATE)) - np.median(seconds(training.rows, RATE))) < 0.1
    again = gaussian(SPEC, training, 30, np.random.default_rng(0))
    assert np.array_equal(drawn.rows, again.rows)
