"""Trace a network with a dynamic batch, and compare an exported file with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram, export

from sparring.commands.exporting.portable import CHECKED_BATCHES, Portable
from sparring.engine.errors import SparringError

TOLERANCE = 1e-4
"""Largest difference from PyTorch of a file in float32: pixels are in [0, 1], logits relative to their largest one."""


@dataclass(frozen=True)
class Parity:
    """How far a file is from PyTorch."""

    difference: float
    """Largest difference; of a page that of what it shows, else relative where values exceed 1."""
    of: str
    """What was compared."""


def traced(portable: Portable) -> ExportedProgram:
    """Return the program of torch.export of a network, with a dynamic batch; raise SparringError where it fails."""
    batch = Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in portable.inputs)
    with torch.no_grad(), trace_errors(portable):
        return export(portable.net, portable.examples(2), dynamic_shapes=shapes)


@contextmanager
def trace_errors(portable: Portable) -> Iterator[None]:
    """Convert what torch.export raises into a SparringError."""
    try:
        yield
    except SparringError:
        raise
    except Exception as error:  # torch.export raises many types
        reason = str(error).strip().partition("\n")[0]
        raise SparringError(
            f"torch.export cannot trace the {portable.player}: {reason}. "
            "Its forward pass must not branch on values, nor on the size of the batch"
        ) from error


def check_parity(portable: Portable, outputs: Callable[[tuple[Tensor, ...]], Tensor], name: str) -> Parity:
    """Compare `outputs` with PyTorch on batches of CHECKED_BATCHES.

    Raises SparringError, naming what runs the file, where a shape differs or the difference exceeds TOLERANCE.
    """
    worst = 0.0
    for count in CHECKED_BATCHES:
        inputs = portable.examples(count)
        expected = portable.outputs(inputs)
        try:
            got = outputs(inputs)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise SparringError(f"{name} fails on a batch of {count}: {reason}. Nothing was written") from error
        if got.shape != expected.shape:
            raise SparringError(
                f"{name} gives {list(got.shape)} for a batch of {count}, PyTorch {list(expected.shape)}: "
                "nothing was written"
            )
        difference = float((got - expected).abs().max()) / max(1.0, float(expected.abs().max()))
        if not difference <= TOLERANCE:  # NaN is no parity
            raise SparringError(
                f"{name} differs from PyTorch by {difference:.2g} on a batch of {count}, more than {TOLERANCE:g}: "
                "nothing was written"
            )
        worst = max(worst, difference)
    batches = ", ".join(map(str, CHECKED_BATCHES))
    return Parity(worst, f"{portable.output.name} of batches of {batches}, by {name}")
