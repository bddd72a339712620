"""`sparring export`: a trained network as one file that needs no Sparring, or as a folder for a hub of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from torch import nn

from sparring.commands.exporting.html import write_html, write_page
from sparring.commands.exporting.hub_folder import HubFolder, write_hub_folder
from sparring.commands.exporting.hub_folder import to_text as folder_text
from sparring.commands.exporting.hub_push import Visibility, connect, push_folder
from sparring.commands.exporting.onnx_file import write_onnx
from sparring.commands.exporting.parity import Parity
from sparring.commands.exporting.portable import Portable, load_portable
from sparring.commands.exporting.torch_program import write_torch
from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.errors import UsageError, did_you_mean
from sparring.models.hub import results_folder


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
"""Formats that are one file, by name."""
HUB = "hub"
"""The format that is a folder: model card, weights and a page."""


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
    run: str | Path,
    to: str = "html",
    *,
    out: str | Path | None = None,
    push: str | None = None,
    visibility: Visibility = "public",
    licence: str | None = None,
    checkpoint: str | int | None = None,
    raw: bool = False,
    net: nn.Module | None = None,
) -> Exported | HubFolder:
    """Write the generator or classifier of images of `run` in the format `to`: "onnx", "torch", "html" or "hub".

    The file is compared with PyTorch first; where they differ, nothing is written. `out` is the file, by default
    `generator.onnx` and so on in the run folder; one that exists is not overwritten. `net` is the network of a run of
    custom networks. `checkpoint` and `raw` choose the weights of a generator, as in `sample`. Raises UsageError where
    there is no such model or the format cannot hold it, SparringError where the file differs.

    "hub" writes a folder with a model card, the saved models of any kind, and a page where the network fits into one
    (`write_hub_folder`). `push` ("owner/name") then sends it to the Hugging Face hub, with the token of huggingface_hub
    (extra `[hub]`), into a repository that is created with this `visibility` where it is missing; `licence` is that of
    the weights, by its identifier there. Raises SparringError where the hub refuses.
    """
    if to not in (*FORMATS, HUB):
        raise UsageError(f"unknown format '{to}': {did_you_mean(to, (*FORMATS, HUB))}")
    if to == HUB:
        if push is None and visibility != "public":
            raise UsageError("--visibility is for --push: leave it out")
        if checkpoint is not None or raw:
            raise UsageError(
                "--checkpoint and --raw are for single files, and the hub gets the saved model: leave them out"
            )
        return _export_folder(run, out, push, visibility, licence, net)
    if push is not None or licence is not None or visibility != "public":
        raise UsageError("--push, --visibility and --licence are for --to hub: leave them out")
    write, suffix = FORMATS[to]
    portable = load_portable(run, net, checkpoint=checkpoint, raw=raw)
    weights = "".join(f"-{part}" for part in (checkpoint, "raw" * raw) if part)
    path = Path(out) if out is not None else results_folder(run) / f"{portable.player}{weights}{suffix}"
    check_new(path, suffix)
    parity = write(portable, path)
    return Exported(path, to, portable.player, path.stat().st_size, parity)


def _export_folder(
    run: str | Path, out: str | Path | None, push: str | None, visibility: Visibility, licence: str | None,
    net: nn.Module | None,
) -> HubFolder:  # fmt: skip
    api = connect(push) if push is not None else None  # a wrong token stops before anything is written
    folder = write_hub_folder(
        run, out, repository=push, licence=licence, write_demo=lambda run, path: write_html(run, path, net)
    )
    return folder if push is None else replace(folder, address=push_folder(api, folder.path, push, visibility))


def check_new(path: Path, suffix: str) -> None:
    """Raise UsageError where a file exists, or has another suffix than its format."""
    with explain_os_errors(path):
        if path.suffix.lower() != suffix:
            raise UsageError(f"--out {path}: this format has files named *{suffix}")
        if path.is_symlink() or path.exists():
            raise UsageError(f"{path} exists already: remove it, or choose another --out")


def to_text(result: Exported | HubFolder) -> str:
    """Format the result for the terminal."""
    if isinstance(result, HubFolder):
        return folder_text(result)
    return (
        f"exported {result.path} ({result.size / 1e6:.1f} MB), the {result.player}\n"
        f"checked  {result.parity.of}: at most {result.parity.difference:.1g} from PyTorch"
    )
