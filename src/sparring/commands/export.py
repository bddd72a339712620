"""`sparring export`: a trained network as one file that needs no Sparring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import nn

from sparring.commands.exporting.html import write_page
from sparring.commands.exporting.onnx_file import write_onnx
from sparring.commands.exporting.parity import Parity
from sparring.commands.exporting.portable import Portable, load_portable
from sparring.commands.exporting.torch_program import write_torch
from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.errors import UsageError, did_you_mean


class Format(NamedTuple):
    """A format of exported files."""

    write: Callable[[Portable, Path], Parity]
    """(network, path) -> how far the file is from PyTorch."""
    suffix: str


FORMATS = {
    "onnx": Format(write_onnx, ".onnx"),
    "torch": Format(write_torch, ".pt2"),
    "html": Format(write_page, ".html"),
}


@dataclass(frozen=True)
class Exported:
    """An exported file."""

    path: Path
    to: str
    player: str
    """`generator` or `classifier`."""
    size: int
    """Bytes of the file."""
    parity: Parity


def export(
    run: str | Path, to: str = "html", *, out: str | Path | None = None, net: nn.Module | None = None
) -> Exported:
    """Write the generator or classifier of images of `run` in the format `to`: "onnx", "torch" or "html".

    The file is compared with PyTorch first; where they differ, nothing is written. `out` is the file, by default
    `generator.onnx` and so on in the run folder; one that exists is not overwritten. `net` is the network of a run of
    custom networks. Raises UsageError where there is no such model or the format cannot hold it, SparringError where
    the file differs.
    """
    if to not in FORMATS:
        raise UsageError(f"unknown format '{to}': {did_you_mean(to, FORMATS)}")
    write, suffix = FORMATS[to]
    portable = load_portable(run, net)
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    path = Path(out) if out is not None else folder / f"{portable.player}{suffix}"
    check_new(path, suffix)
    parity = write(portable, path)
    return Exported(path, to, portable.player, path.stat().st_size, parity)


def check_new(path: Path, suffix: str) -> None:
    """Raise UsageError where a file exists, or has another suffix than its format."""
    with explain_os_errors(path):
        if path.suffix.lower() != suffix:
            raise UsageError(f"--out {path}: this format has files named *{suffix}")
        if path.is_symlink() or path.exists():
            raise UsageError(f"{path} exists already: remove it, or choose another --out")


def to_text(result: Exported) -> str:
    """Format the result for the terminal."""
    return (
        f"exported {result.path} ({result.size / 1e6:.1f} MB), the {result.player}\n"
        f"checked  {result.parity.of}: at most {result.parity.difference:.1g} from PyTorch"
    )
