"""A saved obfuscator: examples in, others of the same kind out, which do not reveal a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.models.capabilities import capabilities_of
from sparring.models.inputs import to_input
from sparring.models.saved import read_model, save_model
from sparring.nets.obfuscator import Obfuscator

CHUNK_ROWS = 250


@dataclass
class ObfuscatorModel:
    """A network that replaces examples; capability `Obfuscates`."""

    net: Obfuscator
    spec: Any
    """`DataSpec` of the data it was trained on; `groups` are those that it hides."""
    recipe: Any
    """Recipe of the network."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of `obfuscator.json`: seed, data, version."""

    def obfuscate(self, rows: NDArray[Any] | Tensor, seed: int | None = None) -> NDArray[Any]:
        """Return stored rows in place of the rows `[N, ...]`, as `models.inputs.to_input` takes them.

        None as `seed` takes one from the operating system: who knows the noise can use it to read the group.
        """
        size = self.net.noise_size
        return self._replaced(rows, seed, lambda x, rng: self.net(x, torch.randn(len(x), size, generator=rng)))

    def with_noise(self, rows: NDArray[Any] | Tensor, distortion: float, seed: int) -> NDArray[Any]:
        """Return rows with Gaussian noise of this distortion (`nets.obfuscator`): the simplest rival."""

        def noisy(x: Tensor, rng: torch.Generator) -> Tensor:
            view = self.net.view(x)
            weights = self.net.weights.expand_as(view[0])
            return view + (distortion / weights.numel() / weights).sqrt() * torch.randn(view.shape, generator=rng)

        return self._replaced(rows, seed, noisy)

    @torch.no_grad()
    def distortion(self, rows: NDArray[Any] | Tensor, seed: int) -> float:
        """Return the mean squared distance of the rows and their replacements, in units of the data's variance."""
        total, rng = 0.0, torch.Generator().manual_seed(seed)
        inputs = to_input(self.spec, rows)
        for x in torch.split(inputs, CHUNK_ROWS):
            hidden = self.net(x, torch.randn(len(x), self.net.noise_size, generator=rng))
            total += float(self.net.distortion(hidden, self.net.view(x))) * len(x)
        return total / max(len(inputs), 1)

    @torch.no_grad()
    def _replaced(
        self, rows: NDArray[Any] | Tensor, seed: int | None, replace: Callable[[Tensor, torch.Generator], Tensor]
    ) -> NDArray[Any]:
        """Return the stored rows of what `replace` gives for network input and a generator, in chunks."""
        rng = torch.Generator()
        if seed is None:
            rng.seed()
        else:
            rng.manual_seed(seed)
        inputs = to_input(self.spec, rows)
        parts = [self.spec.decode(self.net.release(replace(x, rng))) for x in torch.split(inputs, CHUNK_ROWS)]
        return np.concatenate(parts)

    def save(self, folder: str | Path) -> None:
        """Write `obfuscator.safetensors` and `obfuscator.json` into `folder`."""
        tensors = {f"net.{k}": t for k, t in self.net.state_dict().items()}
        save_model(
            folder, "obfuscator", tensors, spec=self.spec, recipe=self.recipe, capabilities=capabilities_of(self),
            metadata=self.metadata,
        )  # fmt: skip


def load_obfuscator(path: str | Path) -> ObfuscatorModel:
    """Return the saved obfuscator at `path` (a run folder, or one of its two files), in eval mode on the CPU.

    Raises UsageError where there is none, SparringError where its files are damaged or do not fit.
    """
    saved = read_model(path, "obfuscator")
    try:
        net = saved.recipe.nets(saved.spec)["obfuscator"]
        net.load_state_dict({k.removeprefix("net."): t for k, t in saved.tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise saved.damaged(error) from error
    return ObfuscatorModel(net.eval().requires_grad_(False), saved.spec, saved.recipe, saved.metadata)
