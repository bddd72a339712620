import pytest
import torch

from sparring.engine.running_mean import RunningMean


def test_means_since_the_last_take() -> None:
    means = RunningMean()
    means.add({"a": torch.tensor(1.0), "b": torch.tensor(5.0)})
    means.add({"a": torch.tensor(2.0)})
    assert means.take() == pytest.approx({"a": 1.5, "b": 5.0})
    assert means.take() == {}
