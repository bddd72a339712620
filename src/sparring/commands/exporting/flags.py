"""Flags of `sparring export`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg


@dataclass(frozen=True)
class ExportFlags:
    """Write a trained generator or classifier of images as one file that needs no Sparring.

    The file is compared with PyTorch first. Where they differ, nothing is written.
    """

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """Run folder of `train` or `classify`."""
    to: Annotated[str, arg(metavar="FORMAT")] = "html"
    """Format: onnx, torch (a program of torch.export), or html (one page that runs offline in a browser)."""
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: in RUN)")] = None
    """File to write."""
    json: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Print one JSON object to stdout at the end."""
