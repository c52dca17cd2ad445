"""The faults in force, and what they do to one call."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dlcluster.local.aws.faults.errors import Place
from dlcluster.local.aws.faults.fault import Fault
from dlcluster.local.aws.faults.hidden import Hidden
from dlcluster.local.aws.faults.lost import LostAnswers
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError


@dataclass(frozen=True)
class Strike:
    """What becomes of one call: it waits `seconds`, then fails with `error`, or takes effect and loses its answer.

    hidden: seconds for which nobody else sees what it creates.
    """

    faults: tuple[str, ...] = ()
    seconds: float = 0.0
    error: AwsError | None = None
    lost: bool = False
    hidden: float = 0.0


class Faults:
    """The first fault that strikes decides; `slow` and `hidden` add to others."""

    def __init__(self) -> None:
        self.hidden = Hidden()
        self.lost = LostAnswers()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def rows(self) -> list[Fault]:
        """All of them, in the order in which they were added; those that are over too."""
        with self._lock:
            return list(self._faults)

    def clear(self, id: str | None = None) -> int:
        """Remove one fault, or all; how many there were."""
        with self._lock:
            kept = [fault for fault in self._faults if id is not None and fault.id != id]
            count = len(self._faults) - len(kept)
            self._faults = kept
        if id is None:
            self.hidden.clear()
        return count

    def strike(self, call: Call) -> Strike:
        """What happens to a call at the door. Launches by type and zone are judged later: `check_launch`."""
        struck = self._struck(call, None)
        if not struck:
            return Strike()
        ends = [fault for fault in struck if fault.kind not in ("slow", "hidden")][:1]
        return Strike(
            faults=tuple(fault.id for fault in struck),
            seconds=sum(fault.seconds for fault in struck if fault.kind == "slow"),
            error=next((fault.error(call) for fault in ends), None),
            lost=any(fault.kind == "lost" for fault in ends),
            hidden=max((fault.seconds for fault in struck if fault.kind == "hidden"), default=0.0),
        )

    def check(self, call: Call) -> None:
        """Raise the AwsError of the fault that strikes this call at the door, if one does."""
        error = self.strike(call).error
        if error is not None:
            raise error

    @property
    def wait_for_launches(self) -> bool:
        """Whether a launch has to tell its instance type and zone."""
        with self._lock:
            return any(fault.at_launch for fault in self._faults)

    def check_launch(self, call: Call, launch: Place) -> None:
        """Raise the AwsError of the fault that strikes this launch, if one does."""
        for fault in self._struck(call, launch):
            error = fault.error(call, launch)
            if error is not None:
                raise error

    def _struck(self, call: Call, launch: Place | None) -> list[Fault]:
        with self._lock:
            if not self._faults:
                return []
            here = [fault for fault in self._faults if fault.at_launch == (launch is not None)]
            return [fault for fault in here if fault.selects(call, launch) and fault.strikes()]
