"""Which hardware there is and how to use it: device, precision, memory format."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sparring.engine.errors import UsageError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "fp32")


@dataclass(frozen=True)
class Hardware:
    """Where tensors live and in which precision networks run. Master weights and losses are float32 throughout."""

    device: torch.device
    bf16: bool

    @classmethod
    def find(cls, device: str = "auto", precision: str = "auto") -> Hardware:
        """Choose by name; "auto" takes CUDA, then MPS, then the CPU, and bf16 wherever the hardware computes in it."""
        if device.split(":")[0] not in DEVICES:
            raise UsageError(f"unknown device '{device}': {did_you_mean(device, DEVICES)}")
        if precision not in PRECISIONS:
            raise UsageError(f"unknown precision '{precision}': {did_you_mean(precision, PRECISIONS)}")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            if device == "cuda" and "LOCAL_RANK" in os.environ:
                device = f"cuda:{os.environ['LOCAL_RANK']}"
        elif device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError(
                "no CUDA device is to be found by torch: take --device cpu, or install a CUDA build of torch"
            )
        elif device == "mps" and not torch.backends.mps.is_available():
            raise UsageError("no MPS device is to be found by torch: take --device cpu")
        try:
            where = torch.device(device)
        except RuntimeError as error:
            raise UsageError(f"unknown device '{device}': take cpu, mps, cuda, or cuda:1 for the second one") from error
        if where.type == "cuda" and (where.index or 0) >= torch.cuda.device_count():
            raise UsageError(f"there is no device '{device}': torch finds {torch.cuda.device_count()} CUDA devices")
        return cls(where, bf16=precision == "bf16" or (precision == "auto" and _computes_bf16(where)))

    def autocast(self) -> torch.autocast:
        """The context in which networks run: bf16 where it pays, nothing otherwise."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def seed(self, number: int) -> None:
        """Seed what networks draw by themselves, as dropout does, on the CPU and on the device.

        `torch.manual_seed` asks all kinds of devices, whether they are there or not: 1.5 ms, much of a small network's turn.
        """
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)

    def place(self, net: nn.Module) -> nn.Module:
        """Put `net` on the device, convolutions in channels_last."""
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def describe(self) -> str:
        """One line for people: `cpu, 2 threads, bf16`."""
        device, kind = self.device, ""
        if device.type == "cpu":
            kind = f", {torch.get_num_threads()} threads"
        elif device.type == "cuda":
            kind = f", {torch.cuda.get_device_name(device)}"
        return f"{device}{kind}, {'bf16' if self.bf16 else 'fp32'}"


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep convolutions on CUDA from TF32, which has 10 bits for a weight and is torch's default there."""
    cudnn: Any = torch.backends.cudnn
    kinds = cudnn.conv, cudnn.rnn  # torch's older switch asks that both agree
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "ieee"
    try:
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def _computes_bf16(device: torch.device) -> bool:
    """True where bf16 arithmetic is in the hardware; elsewhere it would be emulated, and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return False


def memory_available() -> int | None:
    """Bytes of main memory that may still be taken, or None where the system does not tell."""
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
    """Bytes of this process's largest resident set so far, or None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
