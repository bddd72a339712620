"""Complete a partly known image with a density model: several fills, each with its log-probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sparring.engine.errors import UsageError
from sparring.models.density import DensityModel
from sparring.models.generator import Label
from sparring.nets.density_net import Completes

WHO_COMPLETES = "train with --recipe pixelcnn --completion, rbm or dbm"


@dataclass(frozen=True)
class Fills:
    """Completed images."""

    rows: NDArray[np.uint8]
    """Stored images `[n, H, W, C]`."""
    log_probabilities: list[float]
    """log P(hole | known) of each, in nats."""
    exact: bool
    """True where these are exact; else they are estimates."""
    notes: tuple[str, ...] = ()


def complete(
    model: DensityModel,
    row: NDArray[np.uint8],
    known: NDArray[np.bool_],
    n: int,
    seed: int = 0,
    label: Label | None = None,
) -> Fills:
    """Return `n` fills of a stored image `[1, H, W, C]` where `known` `[H, W]` is False; fill k depends on (seed, k).

    Raises UsageError where the network completes no images.
    """
    net = model.generator
    if not isinstance(net, Completes):
        raise UsageError(f"this {model.recipe.name} cannot complete a given picture: {WHO_COMPLETES}")
    size, mask = model.chunk_samples, torch.from_numpy(known)
    x = model.observe(model.spec.encode(row)).expand(size, *model.spec.shape)
    rows, log_p = [], []
    for first in range(0, n, size):
        z, y = model.draw_inputs(range(first, first + size), seed, label)
        with torch.no_grad():
            filled, log_probability = net.complete(x.clone(), mask, z, y if model.conditional else None)
        rows.append(model.spec.decode(filled)[: n - first])
        log_p += log_probability.double().tolist()[: n - first]
    grey = model.binary and not np.isin(row, (0, 255)).all()
    notes = ("the model is of binary images: grey pixels of the picture are made black or white by chance",) * grey
    if model.conditional and label is None:
        notes += ("each log-probability is given the class that was drawn for the fill: --label fixes the class",)
    exact = net.completes_exactly(mask)
    if not exact:
        notes += ("the log-probabilities are estimates: exact ones need --recipe pixelcnn --completion",)
    return Fills(np.concatenate(rows), [round(value, 4) for value in log_p], exact, notes)
