"""Sounds without speech, made on the spot, as a source of `sparring attack`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sparring.commands.attacking.load_target import Target
from sparring.commands.attacking.suites.base import Subset
from sparring.data.resolve import local
from sparring.data.sounds.nonspeech import NONSPEECH, nonspeech

SYNTHETIC = "nonspeech"
"""Source: all kinds of synthetic sounds in turn."""
SECONDS = 1.0
"""Length of a synthetic sound."""


def is_synthetic(source: str | Path) -> bool:
    """Return whether the source names synthetic sounds, and no file or folder."""
    return str(source) in (SYNTHETIC, *NONSPEECH) and local(str(source)) is None


def synthetic_sounds(target: Target, source: str, count: int, seed: int, device: torch.device) -> Subset:
    """Make `count` synthetic sounds of one kind, or of all in turn, at the rate of the target's `AudioSpec`."""
    assert target.classifier is not None
    spec, generator = target.classifier.spec, torch.Generator().manual_seed(seed)
    length = int(SECONDS * spec.rate)
    kinds = list(NONSPEECH) if source == SYNTHETIC else [source]
    labels = [kinds[k % len(kinds)] for k in range(count)]
    rows = spec.decode(torch.cat([nonspeech(kind, 1, length, spec.rate, generator) for kind in labels])[:, None])
    classes, background = target.outputs(spec.classes)
    y = torch.full((count,), len(classes), device=device)  # the background class, or none of the outputs
    return Subset(
        spec=spec,
        rows=rows,
        names=[f"{kind}-{k}" for k, kind in enumerate(labels)],
        labels=labels,
        y=y,
        checked_rows=rows,
        checked_y=y,
        classes=(*classes, *background),
        description=f"{count:,} synthetic sounds",
        lengths=np.full(count, length),
        target_classes=len(classes),
    )
