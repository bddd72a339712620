"""What the network sees of the picture in a step: the observed pixels without those that it is to predict.

A network that sees a pixel learns to copy it. One that predicts pixels from the others alone learns what the picture is
like (Noise2Self: Batson and Royer 2019, arXiv:1901.11365), and is then right in thin holes and in noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from sparring.engine.game import Batch
from sparring.engine.seeds import mix
from sparring.restoration.edge_fill import edge_fill
from sparring.restoration.fill import harmonic_fill
from sparring.restoration.task import Task

HIDDEN_FRACTION = 0.2
"""Proportion of the pixels of a noisy picture that are hidden in each step."""
HOLE_VIEWS = 4
"""Number of different sets of hidden holes: each is filled once, before the fit."""
SHIFTS_PER_VIEW = 3
"""Shifted copies of the holes in each set."""
MOST_SHIFTS = 50
"""Shifts that are tried for a set until one hides something."""
VISIBLE_FRACTION = 0.1
"""Least proportion of the fitted pixels that a set leaves."""
NEIGHBOURS = torch.tensor([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]]) / 6
"""Weights of the neighbours that stand for a hidden pixel."""


class View(NamedTuple):
    """What the network sees in one step, and what it predicts."""

    picture: Tensor
    """`[1, C, H, W]`, complete: what is hidden is filled from what is not. `[1, 0, H, W]` where it sees nothing."""
    fitted: Tensor
    """Weights of the observed pixels that the loss is of, `[1, 1, h, w]`."""
    predicted: Tensor
    """Weights of the pixels of the restored picture that are predicted without being seen, `[1, 1, H, W]`."""


Views = Callable[[Batch], View]
"""Batch, for its noise -> the view of that step."""


def views_for(task: Task, views: str, seed: int) -> Views:
    """Return the views of this name: `holes`, `pixels`, `start` or `none`."""
    return {"holes": hole_views, "pixels": pixel_views, "start": start_view, "none": no_view}[views](task, seed)


def no_view(task: Task, seed: int) -> Views:
    """Return views of nothing: the network has noise as its input, and its structure is all the prior."""
    return _always(task, task.observed.new_zeros(1, 0, *task.size))


def start_view(task: Task, seed: int) -> Views:
    """Return views of the restoration by the simplest method."""
    return _always(task, task.start())


def hole_views(task: Task, seed: int) -> Views:
    """Return views with shifted copies of the holes beside the holes themselves; the copies are fitted."""
    generator = torch.Generator().manual_seed(mix(seed, 4))
    holes, views = 1 - task.known(), []
    for _ in range(HOLE_VIEWS):
        hidden = shifted_holes(holes, task.fitted, generator)
        views.append(View(edge_fill(task.observed, task.fitted - hidden), hidden, 1 - task.fitted + hidden))
    return lambda batch: views[int(batch.uniform(1) * HOLE_VIEWS)]


def shifted_holes(holes: Tensor, fitted: Tensor, generator: torch.Generator) -> Tensor:
    """Return shifted copies of the `holes` among the `fitted` pixels, all weights `[1, 1, H, W]`.

    A shift that would leave fewer than VISIBLE_FRACTION of the fitted pixels is passed over: a fill needs some.
    """
    hidden = torch.zeros_like(holes)
    for k in range(MOST_SHIFTS):
        if k >= SHIFTS_PER_VIEW and bool(hidden.any()):
            break
        shift = [int(torch.randint(side, (), generator=generator)) for side in holes.shape[2:]]
        more = torch.maximum(hidden, holes.roll(shift, (2, 3)) * fitted)
        if float((fitted - more).sum()) >= VISIBLE_FRACTION * float(fitted.sum()):
            hidden = more
    return hidden


def pixel_views(task: Task, seed: int) -> Views:
    """Return views of a noisy picture with random pixels replaced by the mean of their neighbours, and fitted."""
    known = harmonic_fill(task.observed, task.fitted)
    smooth = _neighbour_mean(known)

    def draw(batch: Batch) -> View:
        hidden = (batch.uniform(1, *task.size) < HIDDEN_FRACTION).float()
        hidden = torch.maximum(hidden, 1 - task.fitted)
        return View(torch.where(hidden > 0, smooth, known), hidden * task.fitted, hidden)

    return draw


def _always(task: Task, picture: Tensor) -> Views:
    view = View(picture, task.fitted, picture.new_ones(1, 1, *task.size))
    return lambda batch: view


def _neighbour_mean(x: Tensor) -> Tensor:
    """Return the mean of the eight neighbours of each pixel of `[1, C, H, W]`, borders reflected."""
    channels = pad(x, (1, 1, 1, 1), mode="reflect").transpose(0, 1)
    return conv2d(channels, NEIGHBOURS.to(x)[None, None]).transpose(0, 1)
