"""The game of a Boltzmann machine: maximum likelihood by persistent chains, with mean field for the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sparring.engine import dist
from sparring.engine.game import Batch, Stats
from sparring.engine.seeds import mix
from sparring.games.likelihood import observed
from sparring.nets.boltzmann import BoltzmannMachine, Moments
from sparring.nets.boltzmann_energy import Energy

States = tuple[Tensor, Tensor, Tensor]
"""States, or means, of v `[N, D]`, h1 `[N, H1]` and h2 `[N, H2]`."""
_CHAIN_NOISE = 0x6368
"""Salt of the noise of persistent chains, the same on all processes."""


class ContrastiveGame:
    """A game with one player `generator` that maximises the likelihood of a Boltzmann machine (`engine.game.Game`).

        loss = (E[data, means of hidden units] - E[chains]) / D

    States are constants in it, so its gradient is that of -log p(x) / D (Tieleman 2008; Salakhutdinov and Hinton 2009,
    Eq. 6 and 7): mean field (`rounds`) in the positive phase, `sweeps` of Gibbs sampling of persistent chains in the
    negative one. Its value is a difference of energies and not a likelihood. `offset_rate` is the rate of centring.

    For the first `pretraining` of a run, a machine of two layers learns them one after the other by contrastive
    divergence: the first with doubled weights upwards, the second with doubled weights downwards (section 3.1).
    """

    turns: Sequence[str] = ("generator",)

    def __init__(
        self,
        net: BoltzmannMachine,
        *,
        sweeps: int = 1,
        rounds: int = 10,
        offset_rate: float = 0.01,
        pretraining: float = 0.0,
    ) -> None:
        self.net = net
        self.players: Mapping[str, nn.Module] = {"generator": net}
        self._sweeps, self._rounds, self._offset_rate = sweeps, rounds, offset_rate
        self._pretraining = pretraining

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss in nats per dimension, and mean activities; moves the offsets and the chains."""
        net = self.net
        with torch.autocast(batch.x.device.type, enabled=False):
            v = self._units(batch)
            with torch.no_grad():
                step, energy = int(net.steps.add_(1)), net.energy()
                data = self._posterior(energy, v.detach())
                chains = self._chains(energy, mix(batch.seed, _CHAIN_NOISE, step))
                if at < self._pretraining:
                    data, chains = self._one_layer(energy, v, batch, first=at < self._pretraining / 2)
                phases = zip(net.moments(*data), net.moments(*chains), strict=True)
                difference = Moments(*(positive - negative for positive, negative in phases))
            loss = net.mean_energy(difference)
            if net.visible == "gaussian":
                loss = loss + self._scale_loss(energy, v, data[1])
            activity = {f"activity{layer}": h.mean() for layer, h in enumerate(data[1:], 1) if h.shape[1]}
            return loss / v.shape[1], activity

    def _units(self, batch: Batch) -> Tensor:
        """Return the visible units of a batch; the first batch sets their means, since these are slow to learn."""
        net, x = self.net, observed(batch, binary=self.net.visible == "binary")
        noise = None if net.visible == "binary" else batch.uniform(x[0].numel())
        if not net.steps:
            if noise is not None:
                values = x.flatten(1)
                stats = [values.mean(0), values.square().mean(0)]
                dist.average_(stats)
                net.standardise(stats[0], (stats[1] - stats[0].square()).clamp_min(0).sqrt())
            means = [net.to_units(x, noise).detach().mean(0)]
            dist.average_(means)
            net.start(means[0])
        return net.to_units(x, noise)

    def _posterior(self, energy: Energy, v: Tensor) -> States:
        """Return v and mean-field means of the hidden layers, after a step of the offsets towards their means."""
        mu1, mu2 = (torch.sigmoid(field) for field in energy.mean_field(v, self._rounds))
        means = v.mean(0), mu1.mean(0), mu2.mean(0)
        dist.average_(means)
        self.net.recentre(energy, *means, rate=self._offset_rate)
        return v, mu1, mu2

    def _chains(self, energy: Energy, seed: int) -> States:
        """Return v and h2 of the chains after their sweeps, and the means of h1. All processes draw the same."""
        generator = torch.Generator().manual_seed(seed)
        h1 = self.net.chains.to(energy.b.dtype)
        for _ in range(self._sweeps):
            noise = torch.rand(len(h1), energy.noise_units, generator=generator)
            state = energy.sweep(h1, noise.to(h1))
            h1 = state.h1
        self.net.chains.copy_(h1)
        return state.v, state.mean1, state.h2

    def _one_layer(self, energy: Energy, v: Tensor, batch: Batch, *, first: bool) -> tuple[States, States]:
        """Return states of the data and of one step of contrastive divergence, of the first layer or of the second.

        The weights between the layers are doubled in the fields of h1, which has one neighbour in place of two. The
        centred bias is not. Units of the layer that is not learnt are at their offsets, so that it has no gradient.
        """
        net = self.net
        h1, h2, u1 = batch.uniform(net.w1.shape[1]), batch.uniform(net.w2.shape[1]), batch.uniform(net.w1.shape[1])

        def from_below(v: Tensor) -> Tensor:
            return torch.sigmoid(net.c1 + 2 * (v - net.visible_offset) @ net.w1)

        mu1 = from_below(v)
        h1 = (h1 < mu1).to(v.dtype)
        if first:
            fake = energy.units.sample(energy.visible_field(h1), batch.uniform(len(energy.b)))
            top = net.offset2.expand(len(v), -1)
            return (v, mu1, top), (fake, from_below(fake), top)
        below, mu2 = net.visible_offset.expand(len(v), -1), torch.sigmoid(energy.top_field(h1))
        h2 = (h2 < mu2).to(v.dtype)
        fake1 = (u1 < torch.sigmoid(net.c1 + 2 * (h2 - net.offset2) @ net.w2.t())).to(v.dtype)
        return (below, h1, mu2), (below, fake1, torch.sigmoid(energy.top_field(fake1)))

    def _scale_loss(self, energy: Energy, v: Tensor, h1: Tensor) -> Tensor:
        """Return the part of -log p(x) in nats that depends on the affine map of Gaussian units."""
        own = energy.units.base_energy(v) - v * energy.visible_field(h1)
        loss: Tensor = own.sum(1).mean() + self.net.log_scale.sum()
        return loss
