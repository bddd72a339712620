"""Write a network as a program of torch.export, which PyTorch runs without Sparring."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from sparring.commands.exporting.parity import Parity, check_parity, traced
from sparring.commands.exporting.portable import Portable
from sparring.engine.atomic_io import atomic_replace

METADATA = "sparring.json"
"""Name of the extra file with the metadata: `torch.export.load(path, extra_files={"sparring.json": ""})`."""


def write_torch(portable: Portable, path: Path) -> Parity:
    """Write a `.pt2` file with a dynamic batch; return how far it is from PyTorch.

    Raises SparringError where the network cannot be traced, or the file's outputs differ.
    """
    program = traced(portable)
    with atomic_replace(path) as temporary:
        with open(temporary, "wb") as file:
            torch.export.save(program, file, extra_files={METADATA: json.dumps(portable.metadata())})
        with open(temporary, "rb") as file:
            module = torch.export.load(file).module()
        with torch.no_grad():
            return check_parity(portable, lambda inputs: module(*inputs), "torch.export")
