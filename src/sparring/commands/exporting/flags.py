"""Flags of `sparring export`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, arg


@dataclass(frozen=True)
class ExportFlags:
    """Write a trained generator or classifier of images as one file that needs no Sparring, or share any model.

    The file is compared with PyTorch first. Where they differ, nothing is written.
    """

    run: Annotated[str, arg(metavar="RUN", help_behavior_hint="")]
    """Run folder of `train` or `classify`; with --to hub of any command that trains."""
    to: Annotated[str, arg(metavar="FORMAT")] = "html"
    """Format: onnx, torch (a program of torch.export), html (one page that runs offline in a browser), or hub.

    A folder for a hub of models holds a model card, the weights and, where possible, the page.
    """
    out: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="(default: in RUN)")] = None
    """File or folder to write."""
    push: Annotated[str | None, arg(metavar="OWNER/NAME", help_behavior_hint="")] = None
    """Repository of the Hugging Face hub to push the folder to, with the token in HF_TOKEN."""
    visibility: Literal["public", "private"] = "public"
    """Visibility of a repository that the push creates."""
    licence: Annotated[str | None, arg(metavar="ID", help_behavior_hint="")] = None
    """Licence of the weights in the model card, by the hub's identifier, such as apache-2.0."""
    checkpoint: Annotated[str | None, arg(metavar="best|last|N", help_behavior_hint="(default: the saved model)")] = (
        None
    )
    """Checkpoint of a generator whose weights are exported: the best, the last, or the one at image N."""
    raw: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Use the weights of the last step instead of their moving average."""
    json: Annotated[bool, arg(help_behavior_hint=""), FlagCreatePairsOff] = False
    """Print one JSON object to stdout at the end."""
