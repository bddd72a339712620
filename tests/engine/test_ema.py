import pytest
import torch
from torch import nn

from sparring.engine.ema import EMA


class Net(nn.Module):
    share: torch.Tensor
    count: torch.Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((2, 3, 2, 2), value).contiguous(memory_format=torch.channels_last))
        self.register_buffer("share", torch.full((2,), value))
        self.register_buffer("count", torch.tensor(0))


def moved(average: EMA, value: float) -> None:
    with torch.no_grad():
        average.source.weight.fill_(value)  # type: ignore[operator,union-attr]
    average.source.share.fill_(value)  # type: ignore[operator,union-attr]


@pytest.mark.parametrize("batch_size", [1, 10, 50])
def test_a_half_life_halves_the_distance(batch_size: int) -> None:
    average = EMA(Net(1.0), lambda at: 100.0, ramp=1e9)
    moved(average, 0.0)
    for nimg in range(batch_size, 101, batch_size):
        average.update(nimg, batch_size, at=0.0)
    for tensor in (average.net.weight, average.net.share):
        torch.testing.assert_close(tensor.detach(), torch.full_like(tensor, 0.5))


def test_the_half_life_follows_the_schedule() -> None:
    average = EMA(Net(1.0), lambda at: 10 + 20 * at, ramp=1e9)
    moved(average, 0.0)
    average.update(10, 10, at=0.0)
    average.update(40, 30, at=1.0)
    assert float(average.net.share[0]) == pytest.approx(0.25)


def test_the_ramp_forgets_the_initial_weights() -> None:
    """With a ramp, the half-life after n images is a share of n, however long it is later."""
    average = EMA(Net(1.0), lambda at: 1e9, ramp=0.5)
    moved(average, 0.0)
    average.update(10, 10, at=0.0)  # half-life 5: two of them
    assert float(average.net.share[0]) == pytest.approx(0.25)
    average.update(20, 10, at=0.0)  # half-life 10: one
    assert float(average.net.share[0]) == pytest.approx(0.125)


def test_without_ramp_or_half_life_it_is_a_copy() -> None:
    average = EMA(Net(1.0), lambda at: 0.0)
    moved(average, 3.0)
    average.update(8, 8, at=0.0)
    assert float(average.net.share[0]) == 3.0


def test_integers_are_copied_and_the_source_is_unchanged() -> None:
    source = Net(1.0)
    average = EMA(source, lambda at: 100.0)
    source.count += 7
    average.update(8, 8, at=0.0)
    assert int(average.net.count) == 7
    assert not average.net.training and not any(p.requires_grad for p in average.net.parameters())
    assert source.training and source.weight.requires_grad and float(source.weight.detach().mean()) == 1.0
    assert average.net.weight.stride() == source.weight.stride()


def test_reset() -> None:
    average = EMA(Net(1.0), lambda at: 1e9)
    moved(average, 3.0)
    average.reset()
    assert float(average.net.share[0]) == 3.0
    assert not any(p.requires_grad for p in average.net.parameters()) and not average.net.training
