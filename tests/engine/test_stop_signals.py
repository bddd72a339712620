"""Stop signals of a command that is not training."""

from __future__ import annotations

import signal
import sys

import pytest

from sparring.engine.stop_signals import STOP_SIGNALS, interrupt_on_signals


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_interrupts_and_an_ignored_one_does_not(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in STOP_SIGNALS}
    try:
        signal.signal(number, signal.SIG_DFL)
        interrupt_on_signals()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.signal(number, signal.SIG_IGN)
        interrupt_on_signals()
        signal.raise_signal(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
