"""`dist` on a single process. test_torchrun.py tests two."""

import pytest
import torch
from torch import nn

from sparring.engine import dist


def test_a_single_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    dist.init()
    assert (dist.rank(), dist.world_size()) == (0, 1)
    dist.barrier()
    assert dist.any_true(True) and not dist.any_true(False)
    assert dist.broadcast(7) == 7
    dist.shutdown()


def test_a_single_process_changes_nothing() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net(torch.randn(4, 2)).square().sum().backward()
    net[0].bias.grad = None  # type: ignore[union-attr]
    before = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    told = torch.tensor(3.0)
    dist.average_gradients(net, [net], [told])
    for p, old in zip(net.parameters(), before, strict=True):
        assert (p.grad is None) == (old is None) and (old is None or torch.equal(old, p.grad))  # type: ignore[arg-type]
    dist.check_in_sync([("net", net)])
    dist.average_([told])
    assert float(told) == 3.0


def test_a_single_process_computes_everything_in_order() -> None:
    seen: list[int] = []
    with dist.first_process_first():
        assert dist.shared(lambda number: seen.append(number) or number**2, 4) == [0, 1, 4, 9]  # type: ignore[func-returns-value]
    assert seen == [0, 1, 2, 3]
    assert dist.shared(str, 0) == []
