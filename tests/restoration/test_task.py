from __future__ import annotations

import pytest
import torch

from sparring.restoration.resample import reduce
from sparring.restoration.task import (
    HELD_OUT_FRACTION,
    Task,
    jpeg_task,
    mask_task,
    noise_task,
    scale_task,
    self_made_holes,
)


def known_with_text(height: int = 96, width: int = 80) -> torch.Tensor:
    known = torch.ones(1, 1, height, width)
    known[..., 20:24, 10:60] = known[..., 50:80, 30:33] = 0
    return known


def tasks() -> dict[str, Task]:
    x = torch.rand(1, 3, 96, 80, generator=torch.Generator().manual_seed(0))
    return {
        "mask": mask_task(x, known_with_text(), 0),
        "noise": noise_task(x, 0.1, 0),
        "scale": scale_task(x, 4),
        "jpeg": jpeg_task(x),
    }


@pytest.mark.parametrize("kind", ["mask", "noise", "scale", "jpeg"])
def test_fitted_held_out_and_tested_pixels_are_disjoint(kind: str) -> None:
    task = tasks()[kind]
    known = task.known()
    assert set(known.unique().tolist()) <= {0.0, 1.0}
    assert float(task.fitted.sum()) >= (1 - 2.5 * HELD_OUT_FRACTION) * float(known.sum())
    assert task.baseline().shape[2:] == task.size == task.start().shape[2:]


def test_self_made_holes_have_the_shape_of_the_holes_and_lie_in_known_pixels() -> None:
    known = known_with_text()
    for holes in self_made_holes(known, 3):
        assert 0 < float(holes.sum()) <= HELD_OUT_FRACTION * float(known.sum())
        assert bool((holes <= known).all())
    first, again = self_made_holes(known, 3)[0], self_made_holes(known, 3)[0]
    assert torch.equal(first, again)


def test_what_the_network_may_see_does_not_depend_on_held_out_pixels() -> None:
    for task in tasks().values():
        hidden = task.held_out + task.tested
        other = Task(
            task.kind, torch.where(hidden > 0, 0.9, task.observed), task.fitted, task.held_out, task.tested,
            task.factor, task.sigma,
        )  # fmt: skip
        torch.testing.assert_close(other.start(), task.start(), atol=1e-3, rtol=0)


def test_known_pixels_are_put_back_and_an_enlargement_agrees_with_the_picture() -> None:
    mask, scale = tasks()["mask"], tasks()["scale"]
    pasted = mask.consistent(torch.full((1, 3, 96, 80), 0.25))
    assert torch.equal(pasted * mask.known(), mask.observed * mask.known())
    assert bool((pasted[(mask.known() == 0).expand_as(pasted)] == 0.25).all())
    smooth = reduce(scale.lift(scale.observed), 4)
    task = scale_task(smooth, 4)
    before, after = (
        float((task.operator(x) - smooth).square().mean())
        for x in (task.lift(smooth), task.consistent(task.lift(smooth)))
    )
    assert after < before / 4


@pytest.mark.parametrize(("kind", "size"), [("mask", (48, 40)), ("noise", (48, 40)), ("scale", (192, 160))])
def test_the_coarse_task(kind: str, size: tuple[int, int]) -> None:
    task = tasks()[kind]
    coarse = task.coarse()
    assert coarse.size == size
    assert coarse.operator(torch.rand(1, 3, *size)).shape == coarse.observed.shape
    assert coarse.sigma == task.sigma / (2 if kind == "noise" else 1)


def test_the_rules_that_apply() -> None:
    assert {kind: task.rules for kind, task in tasks().items()} == {
        "mask": ("held_out", "moving_variance"),
        "noise": ("held_out", "moving_variance", "sure"),
        "scale": (),
        "jpeg": ("moving_variance",),
    }
