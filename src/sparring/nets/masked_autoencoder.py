"""MADE: a masked autoencoder whose outputs are conditional probabilities (Germain et al. 2015, arXiv:1502.03509)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, logsigmoid, relu

from sparring.nets.density_net import Conditional


class MaskedLinear(nn.Linear):
    """A linear layer from units of `degrees_in` to units of `degrees_out`; output k sees inputs of lower degree.

    `strict`: of lower degree than k; else of the same degree as well (Eq. 8 and 9).
    """

    mask: Tensor

    def __init__(self, degrees_in: Tensor, degrees_out: Tensor, *, strict: bool) -> None:
        super().__init__(len(degrees_in), len(degrees_out))
        sees = degrees_out[:, None] > degrees_in if strict else degrees_out[:, None] >= degrees_in
        self.register_buffer("mask", sees, persistent=False)

    @property
    def masked(self) -> Tensor:
        """Weights `[out, in]`, 0 where an output does not see an input."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Return `[B, out]`."""
        return linear(x, self.masked, self.bias)


class MaskedAutoencoder(nn.Module):
    """Binary images `[B, C, H, W]`, -1 or 1, with log P(x) = sum over pixels of log P(x_d | x_<d) (Eq. 3).

    Values are in the order of channels, rows and columns. Hidden units have degrees that are spread
    evenly. With classes, each hidden layer and the output add a bias of the class.
    """

    def __init__(self, shape: tuple[int, int, int], hidden: Sequence[int], classes: int = 0) -> None:
        super().__init__()
        self.shape, self.latent_dim = shape, math.prod(shape)
        d = self.latent_dim
        inputs = torch.arange(1, d + 1)
        degrees = [inputs, *(torch.arange(width) % max(d - 1, 1) + 1 for width in hidden)]
        pairs = zip(degrees, degrees[1:], strict=False)
        self.layers = nn.ModuleList(MaskedLinear(a, b, strict=False) for a, b in pairs)
        self.output = MaskedLinear(degrees[-1], inputs, strict=True)
        self.direct = MaskedLinear(inputs, inputs, strict=True)
        widths = [*hidden, d]
        self.class_biases = nn.ModuleList(nn.Embedding(classes, width) for width in widths if classes)
        for bias in self.class_biases:
            nn.init.zeros_(bias.weight)  # type: ignore[arg-type]

    def logits(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the logits of a pixel being 1 given the pixels before it, `[B, D]`, of flat pixels `[B, D]`."""
        biases = self._biases(y)
        logits: Tensor = self.output(self._hidden(self.layers[0](x), biases)) + self.direct(x) + biases[-1]
        return logits

    def _biases(self, y: Tensor | None) -> list[Tensor]:
        """Return the biases of the classes `y` `[B]` for each layer; zeros without classes."""
        if self.class_biases:
            return [bias(y) for bias in self.class_biases]
        return [self.output.bias.new_zeros(())] * (len(self.layers) + 1)

    def _hidden(self, first: Tensor, biases: list[Tensor]) -> Tensor:
        """Return the last hidden layer `[B, F]` from the first one's linear outputs."""
        h = relu(first + biases[0])
        for layer, bias in zip(list(self.layers)[1:], biases[1:-1], strict=True):
            h = relu(layer(h) + bias)
        return h

    def log_prob(self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return log P(x) `[B]`, nats; exact."""
        x = x.flatten(1)
        logits = self.logits(x, y)
        if logits.dtype != torch.float64:
            logits = logits.float()
        return logsigmoid(logits * x).sum(1)

    @torch.no_grad()
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Draw images `[B, C, H, W]` value by value: a value is 1 where Phi(z) is below its probability."""
        threshold = torch.special.ndtr(z.double()).to(z.dtype)
        pixels = self._pixels(len(z), y)
        p = next(pixels)
        for d in range(self.latent_dim):
            x = torch.where(threshold[:, d] < p, 1.0, -1.0).to(z.dtype)
            p = pixels.send(x)
        return p.reshape(-1, *self.shape)

    @torch.no_grad()
    def conditionals(self, batch: int, y: Tensor | None = None) -> Generator[Conditional, Tensor, None]:
        """Yield the distribution of one value after another, and receive the values, 0 or 1 (`density_net.Codes`)."""
        pixels = self._pixels(batch, y)
        p = next(pixels)
        for place in itertools.product(*map(range, self.shape)):
            p = p.double()
            value = yield Conditional((slice(None), *place), torch.stack([1 - p, p], 1))
            p = pixels.send(value.to(self.output.bias) * 2 - 1)

    def _pixels(self, batch: int, y: Tensor | None) -> Generator[Tensor, Tensor, None]:
        """Yield the probability `[B]` that the next value is 1, receive values -1 or 1; at the end yield all of them.

        The first layer's outputs and those of the direct connections are updated by one value at a time.
        """
        x, biases = self.output.bias.new_zeros(batch, self.latent_dim), self._biases(y)
        first, direct = self.layers[0](x), self.direct(x) + biases[-1]
        first_layer: Any = self.layers[0]
        into, across = first_layer.masked.t().contiguous(), self.direct.masked.t().contiguous()
        out, bias = self.output.masked, self.output.bias
        for d in range(self.latent_dim):
            logit = self._hidden(first, biases) @ out[d] + bias[d] + direct[:, d]
            x[:, d] = yield logit.sigmoid()
            first = torch.addr(first, x[:, d], into[d])
            direct = torch.addr(direct, x[:, d], across[d])
        yield x

    def encode(self, x: Tensor) -> Tensor:
        """Return the last hidden layer `[B, F]`; of a network with classes, that of the first class."""
        y = torch.zeros(len(x), dtype=torch.int64, device=x.device) if self.class_biases else None
        return self._hidden(self.layers[0](x.flatten(1)), self._biases(y)).float()
