"""Networks that replace an example by another one of the same kind, through a code of limited capacity.

The code is bounded and noise is added to it (a Gaussian channel). So it holds few bits of the example, and what is left
out cannot be predicted from the output, by any adversary. A network without noise only moves the group to where its
adversary does not look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from sparring.nets.mel_codec import MelCodec
from sparring.nets.tabular_mlp import Standardize


class Obfuscator(nn.Module):
    """Examples `[B, ...]` and normal noise `[B, noise_size]` -> views of other examples.

    The encoder's outputs are brought to mean 0 and variance 1 over the examples, and then into a ball. Without the
    first, a strong adversary drives all codes to one point of the bound, where no gradient is left
    (docs/lab-notebook.md).

    A view is what the networks of a game see of an example: the example itself, unless a kind of data has another one.
    """

    weights: Tensor

    def __init__(self, encoder: nn.Module, decoder: nn.Module, code: int, noise: float) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.code, self.noise, self.noise_size = code, noise, code
        self.centre = nn.BatchNorm1d(code, affine=False)
        self.register_buffer("weights", torch.ones(()))

    @property
    def bits(self) -> float:
        """Upper limit of the bits that an output holds of its example: the capacity of the Gaussian channel."""
        return self.code / 2 * math.log2(1 + 1 / self.noise**2)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Map examples and standard normal noise to views of other examples, float32."""
        return self.decode(self.encode(x, noise), noise)

    def encode(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return the noisy codes `[B, code]` of examples, by the first numbers of the noise."""
        code: Tensor = bounded(self.centre(self.encoder(self.view(x)).float()))
        return code + self.noise * noise[:, : self.code]

    def decode(self, code: Tensor, noise: Tensor) -> Tensor:
        """Return views of noisy codes."""
        view: Tensor = self.decoder(code)
        return view.float()

    def view(self, x: Tensor) -> Tensor:
        """Return the views of examples."""
        return x

    def release(self, view: Tensor) -> Tensor:
        """Return the examples of views, as network input."""
        return view

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take the scale of `distortion` from examples."""
        variance = self.view(x).flatten(1).var(0, correction=0).sum()
        self.weights.copy_(1 / variance.clamp_min(1e-12))

    def distortion(self, hidden: Tensor, view: Tensor) -> Tensor:
        """Return the mean squared distance of views, in units of the data's variance: 1 for the mean of all."""
        return ((hidden - view).square() * self.weights).flatten(1).sum(1).mean()


class SoundObfuscator(Obfuscator):
    """Waveforms `[B, 1, T]` -> log-mel pictures, the views; `release` finds waveforms for these.

    A released waveform is a function of its picture, so it reveals no more.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, code: int, noise: float, codec: MelCodec) -> None:
        super().__init__(encoder, decoder, code, noise)
        self.codec = codec

    def view(self, x: Tensor) -> Tensor:
        """Return the pictures of waveforms."""
        return self.codec.encode(x)

    def release(self, view: Tensor) -> Tensor:
        """Return waveforms of pictures."""
        return self.codec.decode(view)


class TableObfuscator(Obfuscator):
    """Rows `[B, F]` -> rows; a category is drawn from its probabilities, which the gradient passes through.

    `columns` are the indices of each column of the file: one of a number, several of a one-hot category.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, code: int, noise: float, columns: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(encoder, decoder, code, noise)
        self.columns = columns
        width = sum(map(len, columns))
        self.scale = Standardize(width)
        self.noise_size = code + width
        self.weights = torch.ones(width)

    def decode(self, code: Tensor, noise: Tensor) -> Tensor:
        """Return rows of noisy codes; the further numbers of the noise draw the categories."""
        out, of_words = super().decode(code, noise), noise[:, self.code :]
        parts: dict[int, Tensor] = {}
        for indices in self.columns:
            block = out[:, list(indices)]
            if len(indices) == 1:
                block = block * self.scale.std[list(indices)] + self.scale.mean[list(indices)]
            else:
                block = sampled_one_hot(block, of_words[:, list(indices)])
            parts |= dict(zip(indices, block.unbind(1), strict=True))
        return torch.stack([parts[k] for k in sorted(parts)], 1)

    def fit(self, x: Tensor) -> None:
        """Take mean and deviation of the columns, each of which counts the same in `distortion`."""
        self.scale.fit(x)
        variance = x.var(0, correction=0)
        for indices in self.columns:
            total = variance[list(indices)].sum().clamp_min(1e-12)
            self.weights[list(indices)] = 1 / (total * len(self.columns))


def bounded(h: Tensor) -> Tensor:
    """Move vectors `[B, K]` along their directions into the ball of mean square 1: h / sqrt(1 + mean(h^2))."""
    return h * (1 + h.square().mean(1, keepdim=True)).rsqrt()


def sampled_one_hot(logits: Tensor, noise: Tensor) -> Tensor:
    """Return one-hot draws `[B, K]` by normal noise `[B, K]`, with the gradient of a softmax (Jang et al. 2017)."""
    uniform = torch.special.ndtr(noise.float()).clamp(1e-7, 1 - 1e-7)
    perturbed = logits.float() - (-uniform.log()).log()
    soft = perturbed.softmax(1)
    hard = one_hot(perturbed.argmax(1), logits.shape[1]).to(soft.dtype)
    draws: Tensor = hard - soft.detach() + soft
    return draws
