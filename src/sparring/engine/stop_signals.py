"""Signals after which a command saves everything and ends with exit code 75, so that a scheduler can repeat it.

SIGINT is Ctrl-C. SIGTERM comes from `kill`, Kubernetes, spot instances and `scancel`. SIGUSR1 comes from Slurm before
the time is over (`--signal=USR1@120`).
"""

from __future__ import annotations

import signal

STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
STOPPED = 75
"""Exit code of a command that a signal stopped: nothing is lost, and the same command goes on or starts again."""


def interrupt_on_signals() -> None:
    """Let every stop signal raise KeyboardInterrupt, as Ctrl-C does, where no training handles it.

    A signal that is ignored stays ignored: a shell starts background jobs of scripts without SIGINT.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
