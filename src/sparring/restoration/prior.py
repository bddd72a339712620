"""The deep image prior as a game of one player: a network is fitted to one picture (Ulyanov et al. 2018).

Beside the published input, noise, the network may see a part of the picture (`restoration.views`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sparring.engine.game import Batch, Stats
from sparring.engine.seeds import mix
from sparring.restoration.architecture import Architecture
from sparring.restoration.stopping import Minimum, masked_error, moving_moments, sure
from sparring.restoration.task import Task
from sparring.restoration.views import View, Views


class Fit(nn.Module):
    """A network and what is kept of its outputs: their average, moving moments, and the average at each rule's step."""

    average: Tensor
    count: Tensor
    mean: Tensor
    variance: Tensor
    steps: Tensor

    def __init__(self, net: nn.Module, start: Tensor, rules: Sequence[str]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("average", start.clone())
        self.register_buffer("count", torch.zeros_like(start[:, :1]))
        self.register_buffer("mean", start.clone())
        self.register_buffer("variance", torch.tensor(0.0))
        self.register_buffer("steps", torch.tensor(0))
        self.minima = nn.ModuleDict({rule: Minimum(tuple(start.shape)) for rule in rules})

    def minimum(self, rule: str) -> Minimum:
        """Return what is kept for a rule."""
        minimum = self.minima[rule]
        assert isinstance(minimum, Minimum)
        return minimum

    @torch.no_grad()
    def record(self, output: Tensor, where: Tensor, rate: float) -> None:
        """Add the output `[1, C, H, W]` of a step to the averages, where the weights `[1, 1, H, W]` are 1.

        `rate` is the weight of the newest output of a pixel in its average, once it has many; the first one counts
        fully.
        """
        self.count += where
        self.average += (output - self.average) * where * (2 / (self.count + 1)).clamp(min=rate)
        mean, variance = moving_moments(self.mean, self.variance, output, where)
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        self.steps += 1


class ImagePrior:
    """A game of one player, `fit`, whose batch is the fixed noise `[1, F, H', W']` (`engine.game.Game`).

    H' and W' are the picture's size rounded up to what the network needs; its output is cropped.
    """

    turns: Sequence[str] = ("fit",)

    def __init__(self, fit: Fit, task: Task, views: Views, architecture: Architecture, warm_up: int) -> None:
        self.fit, self.task, self.views, self.architecture, self.warm_up = fit, task, views, architecture, warm_up
        self.players: Mapping[str, nn.Module] = {"fit": fit}

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the mean square error of the fitted pixels, and the numbers that stop the fit."""
        view = self.views(batch)
        output = self._output(batch, view)
        loss = masked_error(self.task.operator(output), self.task.observed, view.fitted)
        self.fit.record(output.detach(), view.predicted, self.architecture.average_rate)
        return loss, self._numbers()

    def _output(self, batch: Batch, view: View) -> Tensor:
        """Return the restored picture `[1, C, H, W]`."""
        height, width = self.task.size
        noise = batch.x
        if self.architecture.input_noise:
            noise = noise + self.architecture.input_noise * batch.normal(*noise.shape[1:])
        border = 0, noise.shape[3] - width, 0, noise.shape[2] - height
        visible = pad(torch.cat([view.picture, view.predicted], 1), border, mode="replicate")
        z = torch.cat([noise, visible], 1).contiguous(memory_format=torch.channels_last)
        output: Tensor = self.fit.net(z)[..., :height, :width]
        return view.picture + 2 * output - 1 if self.architecture.residual else output

    @torch.no_grad()
    def _numbers(self) -> dict[str, Tensor]:
        """Return the number of each rule for the average output, and keep the average where it is the smallest."""
        task, average, numbers = self.task, self.fit.average, {"moving_variance": self.fit.variance}
        observed = task.operator(average)
        if "held_out" in task.rules:
            numbers["held_out"] = masked_error(observed, task.observed, task.held_out)
        if "sure" in task.rules:
            numbers["sure"] = sure(masked_error(observed, task.observed, task.fitted), task.sigma)
        if int(self.fit.steps) > self.warm_up:
            for rule in task.rules:
                self.fit.minimum(rule).update(int(self.fit.steps), numbers[rule], average)
        return numbers


class FixedInput:
    """The source of the loop's batches: the same input each step (`engine.loop.BatchSource`)."""

    batch_size = 1

    def __init__(self, z: Tensor, seed: int) -> None:
        self.z, self.seed = z, seed

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return the one batch of step `nimg`."""
        return [Batch(self.z, torch.full((1,), -1), nimg, mix(self.seed, nimg, turn))]
