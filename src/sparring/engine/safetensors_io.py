"""Write, read and hash named tensors in safetensors files."""

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
    """Write contiguous CPU copies of `tensors`, which may share memory and have any memory format.

    Raises OSError on a full disk, where safetensors itself raises SafetensorError.
    """
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
    """Return a hash (32 hex digits) of the names, dtypes, shapes and values of `tensors`."""
    hasher = hashlib.blake2b(digest_size=16)
    for name, t in sorted(tensors.items()):
        hasher.update(f"{name} {t.dtype} {list(t.shape)};".encode())
        hasher.update(t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()
