"""Select the device, precision and memory format, and query memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sparring.engine.allocator import keep_freed_memory
from sparring.engine.errors import UsageError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "fp32")


@dataclass(frozen=True)
class Hardware:
    """A device and whether networks run in bf16 autocast there. Master weights and losses are always float32."""

    device: torch.device
    bf16: bool

    @classmethod
    def find(cls, device: str = "auto", precision: str = "auto") -> Hardware:
        """Select hardware by name.

        "auto" prefers CUDA, then MPS, then the CPU, and bf16 where the hardware supports it. On a CPU the allocator is
        set to keep freed memory (`engine/allocator.py`).
        Raises UsageError on an unknown name or a device that torch does not find.
        """
        if device.split(":")[0] not in DEVICES:
            raise UsageError(f"unknown device '{device}': {did_you_mean(device, DEVICES)}")
        if precision not in PRECISIONS:
            raise UsageError(f"unknown precision '{precision}': {did_you_mean(precision, PRECISIONS)}")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            if device == "cuda" and "LOCAL_RANK" in os.environ:
                device = f"cuda:{os.environ['LOCAL_RANK']}"
        elif device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError("torch finds no CUDA device: use --device cpu, or install a CUDA build of torch")
        elif device == "mps" and not torch.backends.mps.is_available():
            raise UsageError("torch finds no MPS device: use --device cpu")
        try:
            selected = torch.device(device)
        except RuntimeError as error:
            raise UsageError(f"unknown device '{device}': use cpu, mps, cuda, or cuda:1 for the second one") from error
        if selected.type == "cuda" and (selected.index or 0) >= torch.cuda.device_count():
            raise UsageError(f"no device '{device}': torch finds {torch.cuda.device_count()} CUDA devices")
        if selected.type == "cpu":
            keep_freed_memory()
        return cls(selected, bf16=precision == "bf16" or (precision == "auto" and _has_bf16(selected)))

    def autocast(self) -> torch.autocast:
        """Return the autocast context that networks run in: bf16, or disabled."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def seed(self, number: int) -> None:
        """Seed the default generators of the CPU and of the device, which dropout draws from.

        `torch.manual_seed` seeds every kind of device, present or not. It takes 1.5 ms, much of a small network's turn.
        """
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)

    def to_device(self, net: nn.Module) -> nn.Module:
        """Move `net` to the device, in channels_last."""
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def describe(self) -> str:
        """Return one line for the terminal: `cpu, 2 threads, bf16`."""
        device, detail = self.device, ""
        if device.type == "cpu":
            threads = torch.get_num_threads()
            detail = f", {threads} thread{'s' if threads > 1 else ''}"
        elif device.type == "cuda":
            detail = f", {torch.cuda.get_device_name(device)}"
        return f"{device}{detail}, {'bf16' if self.bf16 else 'fp32'}"


def flags_for(description: str, processes: int = 1) -> str:
    """Return the flags that select what `Hardware.describe` described, where "auto" selects another here.

    The text begins with a space, or is empty. One of several processes has a device by its rank.
    """
    parts = description.split(", ")
    device, precision, auto = parts[0].partition(":")[0] if processes > 1 else parts[0], parts[-1], Hardware.find()
    selected = str(auto.device).partition(":")[0] if processes > 1 else str(auto.device)
    flags = f" --device {device}" * (device != selected and (device == "cpu" or selected != "cpu"))
    return flags + f" --precision {precision}" * ((precision == "bf16") != auto.bf16)


@contextmanager
def full_precision() -> Iterator[None]:
    """Disable TF32 for convolutions on CUDA. TF32 is torch's default and has a 10-bit mantissa."""
    cudnn: Any = torch.backends.cudnn
    backends = cudnn.conv, cudnn.rnn  # torch's older switch requires both to agree
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "ieee"
    try:
        yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


def _has_bf16(device: torch.device) -> bool:
    """Return True where the hardware has bf16 arithmetic. Emulated bf16 is slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def memory_available() -> int | None:
    """Return the available main memory in bytes, or None where the system does not report it."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def memory_peak() -> int | None:
    """Return this process's peak resident set size in bytes, or None where the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
