"""Leaving in good order: SIGTERM and Ctrl-C are noted, and the loop stops between two steps."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, NoReturn


class Interrupted(SystemExit):
    """The run was told to stop (SIGTERM: a spot notice, a cancelled job) and left after the current step.

    Uncaught, it ends the process with status 143, which is 128 + SIGTERM.
    """

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StopSignal:
    """A block in which SIGTERM or Ctrl-C sets `received` instead of ending the process; for the main thread alone.

    A second Ctrl-C interrupts at once, as ever. Where Ctrl-C does not raise KeyboardInterrupt, it is left alone.
    """

    def __init__(self) -> None:
        self.received = 0  # the signal's number
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._note)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def leave(self, step: int) -> NoReturn:
        """Raise what ends the run: KeyboardInterrupt after Ctrl-C, else Interrupted."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt(f"left after step {step}")
        raise Interrupted

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, self._before[number])
            os.write(2, b"\ndlengine: stops after this step (Ctrl-C again: at once)\n")  # print may be at work already
