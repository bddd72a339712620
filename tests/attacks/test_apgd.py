from __future__ import annotations

import torch
from problems import data, mlp
from torch import Tensor

from sparring.attacks.apgd import apgd, checkpoints
from sparring.attacks.losses import dlr
from sparring.attacks.threat_model import Threat


def test_checkpoints_are_those_of_the_paper() -> None:
    """Croce and Hein 2020, section 3.2: p = 0, 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 of 100 steps."""
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == []
    assert checkpoints(10) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_the_step_is_halved_down_to_the_scale_of_the_loss() -> None:
    """A bump much narrower than the ball: steps of 2 eps jump over it, and only smaller ones climb it."""
    top = torch.tensor([[0.53, 0.47]])

    def model(x: Tensor) -> Tensor:
        score = -30 * (x - top).norm(dim=1)
        return torch.stack([torch.zeros_like(score), score - 0.01], 1)

    points: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        points.append(x.detach().clone())
        return model(x)

    apgd(watched, torch.full((1, 2), 0.5), torch.tensor([0]), Threat("L2", 0.3))
    distance = torch.stack([(x - top).norm() for x in points])
    assert distance[10:20].mean() > 0.05
    assert distance[-5:].max() < 0.02


def test_broken_rows_leave_the_batch() -> None:
    model, x = mlp(64, 10, seed=5), data(7, 40, 1, 8, 8)
    y = model(x).argmax(1)
    sizes: list[int] = []

    def watched(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return model(x)

    result = apgd(watched, x, y, Threat("Linf", 0.014))
    assert 0 < result.success.sum() < 40
    assert sizes[2:-1] == sorted(sizes[2:-1], reverse=True)
    assert int(result.queries.sum()) == sum(sizes)
    assert (result.queries[~result.success] == 103).all()  # the data, the start and 100 steps, and the verdict
    assert (result.gradients[~result.success] == 100).all()


def test_targets_together_give_the_result_of_targets_in_turn() -> None:
    model, x = mlp(64, 10, seed=5), data(7, 30, 1, 8, 8)
    y = model(x).argmax(1)
    threat = Threat("Linf", 0.014)
    few = apgd(model, x[:5], y[:5], threat, loss=dlr, n_targets=9)
    many = apgd(model, x.repeat(3, 1, 1, 1), y.repeat(3), threat, loss=dlr, n_targets=9)
    assert torch.equal(few.success, many.success[:5])
