"""Flags of `sparring studio`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class StudioFlags:
    """Open the studio in a browser: train, watch, explore, attack and label, without the command line."""

    folder: Annotated[str, tyro.conf.Positional] = "runs"
    """Folder of the runs; it is created where it is missing."""
    host: str = "127.0.0.1"
    """Address to listen on; another than the loopback lets the network in, with the token alone as protection."""
    port: int = 8642
    """Port to listen on; 0 takes a free one."""
    browser: bool = True
    """Whether to open a browser."""
