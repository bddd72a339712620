"""Points of a generator's latent space, as a page names them: a seed, a place between two seeds, levels of others.

A seed stands for the noise and the label of the first sample that `sparring sample --seed SEED` writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sparring.engine.errors import UsageError
from sparring.measure.effects.latents import slerp
from sparring.models.generator import GeneratorModel
from sparring.studio.server.state import number_field, text_field

MAX_POINTS = 256
"""Largest number of points of one request."""
MAX_SEED = 2**53 - 1
"""Largest seed: browsers count exactly so far."""
MAX_STEPS = 10.0
"""Largest move along a handle, in its steps."""
CHUNK_SAMPLES = 32
WAYS = ("slerp", "lerp")


@dataclass(frozen=True)
class Point:
    """One point of the latent space."""

    seed: int
    to: int | None = None
    """Seed at the other end of the way; None: none."""
    at: float = 0.0
    """Place on the way, from 0 (`seed`) to 1 (`to`)."""
    way: str = "slerp"
    """`slerp`, along an arc, or `lerp`, along a line."""
    label: str = ""
    """Class or vector by name; empty: that of the nearer seed."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """Seed of each level that is taken from another sample."""
    moves: Mapping[int, float] = field(default_factory=dict)
    """Steps along each handle, by its number."""


def points_of(body: Mapping[str, Any]) -> list[Point]:
    """Return the points of a request; raise UsageError on wrong ones."""
    given = body.get("points")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_POINTS or not all(isinstance(p, dict) for p in given):
        raise UsageError(f"'points' has to be a list of 1 to {MAX_POINTS} points: reload the page")
    return [_point(each) for each in given]


def _point(fields: dict[str, Any]) -> Point:
    way = text_field(fields, "way", "slerp")
    if way not in WAYS:
        raise UsageError(f"unknown way '{way}': choose one of {', '.join(WAYS)}")
    levels, moves = fields.get("levels", {}), fields.get("moves", {})
    if not isinstance(levels, dict) or not isinstance(moves, dict) or not all(key.isdecimal() for key in moves):
        raise UsageError("'levels' and 'moves' have to be objects: reload the page")
    return Point(
        seed=_seed(fields, "seed"),
        to=_seed(fields, "to") if fields.get("to") is not None else None,
        at=number_field(fields, "at", 0, 1, 0),
        way=way,
        label=text_field(fields, "label", ""),
        levels={name: _seed(levels, name) for name in levels},
        moves={int(name): number_field(moves, name, -MAX_STEPS, MAX_STEPS) for name in moves},
    )


def _seed(fields: dict[str, Any], name: str) -> int:
    return int(number_field(fields, name, 0, MAX_SEED))


def latents_of(
    model: GeneratorModel,
    points: Sequence[Point],
    columns: Mapping[str, Tensor] | None = None,
    steps: Sequence[Tensor] = (),
) -> tuple[Tensor, Tensor]:
    """Return noise `[B, latent_dim]` and labels `[B]` (or vectors `[B, K]`) of points.

    `columns` are the coordinates of each level, `steps` `[latent_dim]` one step of each handle.
    """
    noise, labels = zip(*(_latent(model, point, columns or {}, steps) for point in points), strict=True)
    return torch.stack(noise), torch.stack(labels)


def _latent(
    model: GeneratorModel, point: Point, columns: Mapping[str, Tensor], steps: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    label = model.label(point.label) if point.label else None
    z, y = _sampled(model, point.seed, label)
    if point.to is not None:
        other, other_y = _sampled(model, point.to, label)
        z = slerp(z, other, point.at) if point.way == "slerp" else torch.lerp(z, other, point.at)
        if model.vectors:
            y = torch.lerp(y, other_y, point.at)
        elif point.at > 0.5:
            y = other_y
    for level, seed in point.levels.items():
        if level not in columns:
            raise UsageError(f"this generator has no level '{level}': reload the page")
        z = z.clone()
        z[columns[level]] = _sampled(model, seed, label)[0][columns[level]]
    for number, amount in point.moves.items():
        if number >= len(steps):
            raise UsageError(f"there is no handle {number + 1}: reload the page")
        z = z + amount * steps[number]
    return z, y


def _sampled(model: GeneratorModel, seed: int, label: Any) -> tuple[Tensor, Tensor]:
    z, y = model.draw_inputs(range(1), seed, label)
    return z[0], y[0]


def generate(model: GeneratorModel, z: Tensor, y: Tensor) -> NDArray[Any]:
    """Return stored rows `[B, ...]` of noise and labels, a few in each forward pass."""
    chunks = zip(torch.split(z, CHUNK_SAMPLES), torch.split(y, CHUNK_SAMPLES), strict=True)
    x = torch.cat([model.generate(*chunk) for chunk in chunks])
    rows: NDArray[Any] = model.spec.decode(x)
    return rows
