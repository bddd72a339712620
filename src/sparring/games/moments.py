"""Moment matching as a game: a generator against a critic that re-weights noisy moments of private data.

The critic holds the moments of fixed random features, released once with noise, and weights on their frequencies. It
raises the weights of frequencies in which samples differ from the data; the generator lowers the weighted distance.
Both use the noisy moments alone, so that training costs no privacy however long it takes (Harder et al. 2021,
arXiv:2002.11603; weights of an adversary: Liew, Takahashi and Ueno 2022, arXiv:2106.04590). Differences to both:
features of a scattering transform, and estimates of the squared distance without the bias of samples and of noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from sparring.engine.game import Batch, Stats
from sparring.engine.seeds import mix

SHARPNESS = 10.0
"""Factor of the distances in the critic's gain against its entropy: the best response is a softmax of these."""


class MomentCritic(nn.Module):
    """Noisy moments of the data in each class, and weights on their frequencies.

    `features` maps images `[B, C, H, W]` to cosines and sines `[B, F, 2]` of norm 1.
    """

    moments: Tensor
    noise_variance: Tensor
    class_counts: Tensor
    """Noisy number of images of each class."""

    def __init__(self, features: nn.Module, classes: int, frequencies: int) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("moments", torch.zeros(classes, frequencies, 2))
        self.register_buffer("noise_variance", torch.zeros(classes))
        self.register_buffer("class_counts", torch.ones(classes))
        self.logits = nn.Parameter(torch.zeros(classes, frequencies))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the features of images."""
        phi: Tensor = self.features(x)
        return phi

    def weights(self) -> Tensor:
        """Return the weight of each frequency, `[classes, F]`, 1 on average."""
        return torch.softmax(self.logits, 1) * self.logits.shape[1]

    def differences(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the squared distance of moments in each frequency, `[classes, F]`, of images and their classes.

        Unbiased by the finite number of images, and by the noise in the moments of the data.
        """
        phi = self(x)
        own: Tensor = (one_hot(y.clamp(min=0), len(self.moments)) * (y >= 0)[:, None]).to(phi.dtype)
        count = own.sum(0).clamp(min=2)[:, None]
        mean = torch.einsum("bk,bfp->kfp", own, phi) / count[..., None]
        squares = count / (count - 1) * (mean.square().sum(-1) - 1 / (phi.shape[1] * count))
        of_data = self.moments.square().sum(-1) - 2 * self.noise_variance[:, None]
        distances: Tensor = squares - 2 * (mean * self.moments).sum(-1) + of_data
        return distances


class MomentGame:
    """The game of a generator of (z, y) and a `MomentCritic` (`engine.game.Game`)."""

    def __init__(
        self, generator: nn.Module, critic: MomentCritic, latent_dim: int, *, adversarial: bool = True
    ) -> None:
        self.players: Mapping[str, nn.Module] = {"generator": generator, "critic": critic}
        self.turns: Sequence[str] = ("critic", "generator") if adversarial else ("generator",)
        self.latent_dim = latent_dim

    def loss(self, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        """Return the loss of `player`: the weighted distance; the critic's is its negative with an entropy term."""
        generator, critic = self.players["generator"], self.players["critic"]
        assert isinstance(critic, MomentCritic)
        y = batch.y if len(critic.moments) > 1 else torch.zeros_like(batch.y)
        with torch.set_grad_enabled(player == "generator"):
            differences = critic.differences(generator(batch.normal(self.latent_dim), y), y)
        weights = critic.weights()
        if player == "generator":
            return (weights * differences).sum(1).mean(), {"moment_distance": differences.detach().sum(1).mean()}
        gain = SHARPNESS * differences.shape[1] * (weights * differences).mean(1)
        divergence = (weights * weights.clamp(min=1e-9).log()).mean(1)
        return (divergence - gain).mean(), {"largest_weight": weights.detach().max()}


class ClassBatches:
    """Batches without data: classes in turn, and noise by (seed, nimg, turn) (`engine.loop.BatchSource`)."""

    def __init__(self, batch_size: int, classes: int, seed: int, device: torch.device) -> None:
        self.batch_size, self._seed = batch_size, seed
        self._y = (torch.arange(batch_size) % classes).to(device)
        self._x = torch.zeros(batch_size, 0, device=device)

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        """Return the batch that begins at image `nimg`."""
        return [Batch(self._x, self._y, nimg // self.batch_size, mix(self._seed, nimg, turn))]
