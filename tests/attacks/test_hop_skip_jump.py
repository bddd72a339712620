from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sparring.attacks.hop_skip_jump import hop_skip_jump
from sparring.attacks.threat_model import Threat
from sparring.engine.errors import UsageError

W = torch.randn(16, generator=torch.Generator().manual_seed(0))
X = 0.3 + 0.4 * torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(1))
B = (X.flatten(1) @ W).mean()
WHOLE = Threat("L2", 4.0)


def decides(x: Tensor) -> Tensor:
    """Nothing but classes, and no gradient."""
    return 2.0 * one_hot((x.detach().flatten(1) @ W > B).long(), 2)


Y = decides(X).argmax(1)


def test_a_class_is_all_it_needs() -> None:
    found = hop_skip_jump(decides, X, Y, WHOLE, steps=15)
    distance = (X.flatten(1) @ W - B).abs() / W.norm()
    assert (found.distance >= 0.999 * distance).all() and (found.distance <= 1.2 * distance).all()
    assert not found.gradients.any()


def test_queries_are_those_that_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []

    def counted(x: Tensor) -> Tensor:
        rows.append(len(x))
        return decides(x)

    found = hop_skip_jump(counted, X, Y, WHOLE, steps=3, draws=20)
    assert int(found.queries.sum()) == sum(rows)
    monkeypatch.setitem(hop_skip_jump.__globals__, "AT_ONCE", 300)  # few points at a time change nothing
    again = hop_skip_jump(decides, X, Y, WHOLE, steps=3, draws=20)
    assert torch.equal(again.queries, found.queries)
    torch.testing.assert_close(again.distance, found.distance)


def test_more_steps_come_nearer() -> None:
    far, near = (hop_skip_jump(decides, X, Y, WHOLE, steps=steps).distance for steps in (1, 12))
    assert (near < far).all()


def test_a_start_is_taken_where_it_is_adversarial() -> None:
    start = X - 0.3 * (2 * Y - 1).view(-1, 1, 1, 1) * W.view(1, 1, 4, 4).sign()
    never = hop_skip_jump(decides, X, Y, WHOLE, start=X, tries=1, steps=1, seed=5)
    first = hop_skip_jump(decides, X, Y, WHOLE, start=start.clamp(0, 1), tries=1, steps=1, seed=5)
    assert first.success.all() and not never.success.all()
    with pytest.raises(UsageError, match=r"start is \[1, 1, 4, 4\], and x is"):
        hop_skip_jump(decides, X, Y, WHOLE, start=X[:1])


def test_without_a_start_or_an_end_of_the_box() -> None:
    with pytest.raises(UsageError, match="unbounded: give start"):
        hop_skip_jump(decides, X, Y, Threat("L2", 1.0, -torch.inf, torch.inf))
