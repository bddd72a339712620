"""Named tensors in safetensors files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

__all__ = ["digest", "load_file", "write_tensors"]


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write copies of `tensors` (which may share memory, or lie in any format); a full disk is an OSError, as elsewhere."""
    copies = {
        name: t.detach().to("cpu", copy=True, memory_format=torch.contiguous_format) for name, t in tensors.items()
    }
    try:
        save_file(copies, path)
    except SafetensorError as error:
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, shapes and values, 32 hex digits: equal where the tensors are."""
    told = hashlib.blake2b(digest_size=16)
    for name, t in sorted(tensors.items()):
        told.update(f"{name} {t.dtype} {list(t.shape)};".encode())
        told.update(t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return told.hexdigest()
