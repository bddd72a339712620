"""Views, the averages of outputs, and the game: what is predicted is never seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_task import tasks
from torch import nn

from sparring.engine.game import Batch
from sparring.nets.hourglass import Hourglass
from sparring.restoration.architecture import (
    ARCHITECTURES,
    Architecture,
    architecture_for,
    fixed_noise,
    input_size,
)
from sparring.restoration.prior import Fit, ImagePrior
from sparring.restoration.task import Task, mask_task, noise_task
from sparring.restoration.views import View, views_for

VIEWS = {"mask": "holes", "noise": "pixels"}


def batch(step: int = 0) -> Batch:
    return Batch(torch.rand(1, 2, 96, 96), torch.full((1,), -1), step, seed=step)


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_does_not_depend_on_what_is_fitted_or_held_out(kind: str) -> None:
    task = tasks()[kind]
    view = views_for(task, VIEWS[kind], 0)(batch())
    assert float(view.fitted.sum()) > 0 and bool((view.fitted <= task.fitted).all())
    assert bool((view.predicted >= torch.maximum(view.fitted, task.held_out + task.tested)).all())
    other = replace(task, observed=torch.where(view.predicted > 0, 0.9, task.observed))
    visible = 1 - view.predicted
    again = views_for(other, VIEWS[kind], 0)(batch())
    torch.testing.assert_close(again.picture * visible, view.picture * visible)
    if kind == "mask":  # the mean of the neighbours of a noisy pixel may hold others that are hidden
        torch.testing.assert_close(again.picture, view.picture, atol=5e-3, rtol=0)


@pytest.mark.parametrize("hole", ["lower half", "all but a pixel", "all but a column", "small"])
def test_some_pixels_stay_visible_whatever_the_hole(hole: str) -> None:
    known = torch.ones(1, 1, 16, 16)
    if hole == "lower half":
        known[:, :, 8:] = 0
    elif hole == "small":
        known[:, :, 3:5, 3:5] = 0
    else:
        known[:] = 0
        known[:, :, :, 8] = 1 if hole == "all but a column" else known[:, :, :, 8]
        known[:, :, 8, 8] = 1
    for seed in range(2):
        task = mask_task(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)), known, seed)
        for step in range(8):
            view = views_for(task, "holes", seed)(batch(step))
            assert bool(torch.isfinite(view.picture).all())
            assert float((task.fitted - view.fitted).sum()) >= 0.1 * float(task.fitted.sum())
            if hole in ("lower half", "small"):
                assert bool(view.fitted.any())


def test_the_mean_of_neighbours_leaves_the_pixel_itself_out() -> None:
    task = tasks()["noise"]
    view = views_for(task, "pixels", 0)(batch())
    y, x = (int(each) for each in (view.fitted[0, 0, 5:-5, 5:-5]).nonzero()[0] + 5)
    changed = task.observed.clone()
    changed[..., y, x] = 1 - changed[..., y, x]
    again = views_for(replace(task, observed=changed), "pixels", 0)(batch())
    assert torch.equal(again.picture[..., y, x], view.picture[..., y, x])


@pytest.mark.parametrize("kind", VIEWS)
def test_views_are_a_function_of_the_batch(kind: str) -> None:
    views = views_for(tasks()[kind], VIEWS[kind], 0)
    first, again, others = views(batch(1)), views(batch(1)), [views(batch(step)) for step in range(2, 9)]
    assert torch.equal(first.fitted, again.fitted)
    assert any(not torch.equal(first.fitted, other.fitted) for other in others)


def test_averages_count_each_pixel_for_itself() -> None:
    fit = Fit(nn.Identity(), torch.full((1, 3, 1, 2), 0.5), ("moving_variance",))
    where = torch.tensor([[[[1.0, 0.0]]]])
    for value in (1.0, 2.0, 3.0):
        fit.record(torch.full((1, 3, 1, 2), value), where, rate=0.01)
    assert float(fit.average[0, 0, 0, 0]) == pytest.approx((1 + 2 * 2 + 3 * 3) / 6)  # weights 2 / (n + 1)
    assert float(fit.average[0, 0, 0, 1]) == 0.5 and fit.count.flatten().tolist() == [3, 0]
    assert int(fit.steps) == 3


def game(task: Task, architecture: Architecture) -> ImagePrior:
    views = views_for(task, architecture.views, 0)
    noise = fixed_noise(task, architecture, 0)
    visible = views(Batch(noise, torch.zeros(1))).picture.shape[1] + 1
    net = Hourglass(noise.shape[1] + visible, 3, architecture.widths, (architecture.skip,) * len(architecture.widths))
    return ImagePrior(Fit(net, task.start(), task.rules), task, views, architecture, warm_up=1)


@pytest.mark.parametrize("kind", ["mask", "noise", "scale", "jpeg"])
def test_a_turn_records_the_output_and_returns_the_numbers_of_the_rules(kind: str) -> None:
    task = tasks()[kind]
    architecture = replace(architecture_for(task), widths=(4, 4, 4))
    prior = game(task, architecture)
    noise = fixed_noise(task, architecture, 0)
    for step in range(3):
        loss, numbers = prior.loss("fit", Batch(noise, torch.zeros(1), step, seed=step), 0.0)
        loss.backward()
        assert set(numbers) == {*task.rules, "moving_variance"}
    assert all(p.grad is not None for p in prior.fit.net.parameters())
    assert all(int(prior.fit.minimum(rule).step) in (2, 3) for rule in task.rules)  # after the warm-up
    assert prior.fit.average.shape[2:] == task.size and not prior.fit.average.requires_grad


def test_networks_by_task_and_size() -> None:
    task = tasks()["mask"]
    assert architecture_for(task).views == "holes" and architecture_for(task).skip
    known = torch.ones(1, 1, 96, 80)
    known[..., 20:60, 20:60] = 0
    wide = architecture_for(replace(task, fitted=known, held_out=0 * known, tested=0 * known))
    assert (wide.views, wide.skip) == ("none", 0)
    assert [len(ARCHITECTURES["noise"].shrunk(side).widths) for side in (16, 31, 32, 100, 5000)] == [2, 2, 3, 4, 5]
    assert input_size(task, ARCHITECTURES["noise"]) == (96, 96)


def test_a_residual_begins_at_what_is_visible() -> None:
    task = tasks()["scale"]
    architecture = replace(architecture_for(task), widths=(4, 4))
    prior = game(task, architecture)
    for p in prior.fit.net.head.parameters():  # type: ignore[union-attr,operator]
        nn.init.zeros_(p)
    noise = fixed_noise(task, architecture, 0)
    prior.loss("fit", Batch(noise, torch.zeros(1), 0), 0.0)
    torch.testing.assert_close(prior.fit.average, task.start())
    assert isinstance(prior.views(Batch(noise, torch.zeros(1), 0)), View)


@pytest.mark.parametrize(("height", "width"), [(96, 80), (90, 33), (40, 41)])
def test_both_levels_have_the_same_noise(height: int, width: int) -> None:
    task = noise_task(torch.rand(1, 3, height, width), 0.1, 0)
    architecture = replace(ARCHITECTURES["jpeg"], widths=(4, 4, 4))
    coarse, fine = fixed_noise(task.coarse(), architecture, 0), fixed_noise(task, architecture, 0, task.coarse())
    assert fine.shape[2:] == input_size(task, architecture)
    rows, columns = height // 16 * 8, width // 16 * 8
    half = torch.nn.functional.avg_pool2d(fine, 2)[..., 1 : rows - 1, 1 : columns - 1]
    rest = half - coarse[..., 1 : rows - 1, 1 : columns - 1]
    assert float(rest.square().mean()) < 0.3 * float(coarse.var())
