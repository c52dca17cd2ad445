"""Leaving in good order: SIGTERM is noted, and the loop stops between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(SystemExit):
    """The run was told to stop (SIGTERM: a spot notice, a cancelled job) and left after the current step.

    Uncaught, it ends the process with status 143, which is 128 + SIGTERM.
    """

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StopSignal:
    """A block in which SIGTERM sets `received` instead of ending the process; only the main thread can catch it."""

    def __init__(self) -> None:
        self.received = False
        self._before: Any = None
        self._caught = False

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
            self._caught = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._caught:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
