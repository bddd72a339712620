from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.measure.features.feature_net import Features, features_by_channel
from sparring.measure.features.trained_features import FeatureNetTraining, trained_features
from sparring.measure.scores.frechet import frechet_distance

CPU = Hardware(torch.device("cpu"), bf16=False)
SHORT = FeatureNetTraining(features=16, width=8, images=6_000, least=6_000, batch_size=32)


def rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of 8x8 whose class is the bright row."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = rng.integers(0, 60, (count, 8, 8, 1)).astype(np.uint8)
    x[np.arange(count), y * 3] += 150
    return x, y


def net_of(folder: Path, labelled: bool = True, training: FeatureNetTraining = SHORT) -> Features:
    x, y = rows(300)
    y = y if labelled else np.full(300, -1)
    spec = ImageSpec(8, 8, 1, ("a", "b", "c") if labelled else (), 300)
    return trained_features(spec, x.__getitem__, y, data="x", folder=folder, hardware=CPU, training=training)


@pytest.mark.parametrize("labelled", [True, False], ids=["labels", "none"])
def test_features_are_standardised_and_kept(tmp_path: Path, labelled: bool) -> None:
    net = net_of(tmp_path, labelled)
    features = net.of(np.array_split(rows(300)[0], 3))
    assert features.shape == (300, 16) and features.dtype == torch.float32
    assert features.mean(0).abs().max() < 0.01
    moving = features.std(0) > 0.5
    assert moving.float().mean() > 0.5 and features.std(0)[moving].numpy() == pytest.approx(1, abs=0.02)
    again = net_of(tmp_path, labelled)
    assert again.name == net.name and torch.equal(again.of([rows(5)[0]]), net.of([rows(5)[0]]))
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_with_labels_it_knows_the_classes(tmp_path: Path) -> None:
    net = net_of(tmp_path)
    x, y = rows(200, seed=1)
    assert net.classify is not None
    assert float((net.classify(net.of([x])).argmax(1).numpy() == y).mean()) > 0.95
    assert net_of(tmp_path / "other", labelled=False).classify is None


def test_without_labels_it_sees_what_is_missing(tmp_path: Path) -> None:
    net = net_of(tmp_path, labelled=False)
    x, y = rows(600, seed=1)
    whole = net.of([rows(600, seed=2)[0]])
    same, fewer = frechet_distance(net.of([x]), whole).value, frechet_distance(net.of([x[y != 0]]), whole).value
    assert fewer > 5 * same


def test_another_training_is_another_net(tmp_path: Path) -> None:
    assert net_of(tmp_path).name != net_of(tmp_path, training=replace(SHORT, images=6_400, least=6_400)).name
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_damaged_file_is_trained_again(tmp_path: Path) -> None:
    name = net_of(tmp_path).name
    kept = next(tmp_path.glob("*.safetensors"))
    kept.write_bytes(kept.read_bytes()[:100])
    assert net_of(tmp_path).name == name


def test_large_images_are_seen_less_often() -> None:
    assert FeatureNetTraining().budget(ImageSpec(32, 32, 3, (), 10)) == FeatureNetTraining().images
    assert FeatureNetTraining().budget(ImageSpec(64, 64, 3, (), 10)) == FeatureNetTraining().images // 4
    assert FeatureNetTraining().budget(ImageSpec(512, 512, 3, (), 10)) == FeatureNetTraining().least


def test_by_channel_reads_the_classes_as_digits(tmp_path: Path) -> None:
    one = net_of(tmp_path)
    stacked = features_by_channel(one, 3)
    x, y = rows(90, seed=1)
    three, digits = np.concatenate([x[:30], x[30:60], x[60:]], 3), np.stack([y[:30], y[30:60], y[60:]])
    features = stacked.of([three])
    assert features.shape == (30, 48)
    assert stacked.classify is not None
    number = digits[0] * 9 + digits[1] * 3 + digits[2]
    assert float((stacked.classify(features).argmax(1).numpy() == number).mean()) > 0.9
