"""The command line of sparring, which sends itself SIGUSR1 once at the image number $SPARRING_STOP_AT."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from sparring.cli import main
from sparring.engine.run_folder import Run

log, sent = Run.log, []


def stopping(self: Run, nimg: int, values: Mapping[str, float]) -> None:
    log(self, nimg, values)
    if nimg >= int(os.environ["SPARRING_STOP_AT"]) and not sent:
        sent.append(nimg)
        os.kill(os.getpid(), signal.SIGUSR1)


Run.log = stopping  # type: ignore[method-assign]
main()
