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


def decision_only(x: Tensor) -> Tensor:
    """Return one-hot classes, without gradient."""
    return 2.0 * one_hot((x.detach().flatten(1) @ W > B).long(), 2)


Y = decision_only(X).argmax(1)


def test_needs_predicted_classes_only() -> None:
    result = hop_skip_jump(decision_only, X, Y, WHOLE, steps=15)
    distance = (X.flatten(1) @ W - B).abs() / W.norm()
    assert (result.distance >= 0.999 * distance).all() and (result.distance <= 1.2 * distance).all()
    assert not result.gradients.any()


def test_queries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    batch_sizes = []

    def counted(x: Tensor) -> Tensor:
        batch_sizes.append(len(x))
        return decision_only(x)

    result = hop_skip_jump(counted, X, Y, WHOLE, steps=3, draws=20)
    assert int(result.queries.sum()) == sum(batch_sizes)
    monkeypatch.setitem(hop_skip_jump.__globals__, "CHUNK_ENTRIES", 300)  # the chunk size does not change the result
    again = hop_skip_jump(decision_only, X, Y, WHOLE, steps=3, draws=20)
    assert torch.equal(again.queries, result.queries)
    torch.testing.assert_close(again.distance, result.distance)


def test_more_steps_lower_the_distance() -> None:
    few, many = (hop_skip_jump(decision_only, X, Y, WHOLE, steps=steps).distance for steps in (1, 12))
    assert (many < few).all()


def test_an_adversarial_start_is_used() -> None:
    start = X - 0.3 * (2 * Y - 1).view(-1, 1, 1, 1) * W.view(1, 1, 4, 4).sign()
    never = hop_skip_jump(decision_only, X, Y, WHOLE, start=X, tries=1, steps=1, seed=5)
    first = hop_skip_jump(decision_only, X, Y, WHOLE, start=start.clamp(0, 1), tries=1, steps=1, seed=5)
    assert first.success.all() and not never.success.all()
    with pytest.raises(UsageError, match=r"start is \[1, 1, 4, 4\], and x is"):
        hop_skip_jump(decision_only, X, Y, WHOLE, start=X[:1])


def test_an_unbounded_box_needs_a_start() -> None:
    with pytest.raises(UsageError, match="unbounded: give start"):
        hop_skip_jump(decision_only, X, Y, Threat("L2", 1.0, -torch.inf, torch.inf))
