"""The log of calls, and the faults that a test or a rehearsal asks for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError


@dataclass(frozen=True)
class Record:
    """One answered call; `error` is the AWS code of a refusal."""

    time: float
    service: str
    action: str
    region: str
    access_key: str
    origin: str
    status: int
    error: str | None
    milliseconds: float


class CallLog:
    """The last calls, oldest first."""

    def __init__(self, size: int = 10_000) -> None:
        self._records: deque[Record] = deque(maxlen=size)

    def add(self, record: Record) -> None:
        self._records.append(record)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        self._records.clear()


@dataclass
class Fault:
    """Which calls fail, and how.

    `service`, `action` and `origin` (`user`, `node`, `cloudformation`, `autoscaling`) select calls, `*` means
    any; of those, the calls number `nth` to `nth + times - 1` fail (`times=None`: all from the nth on).
    """

    code: str
    message: str = "Injected fault."
    status: int = 400
    service: str = "*"
    action: str = "*"
    origin: str = "*"
    nth: int = 1
    times: int | None = 1
    seen: int = 0

    def selects(self, call: Call) -> bool:
        pairs = (self.service, call.service), (self.action, call.action), (self.origin, call.origin)
        return all(wanted in ("*", got) for wanted, got in pairs)

    def strikes(self) -> bool:
        """Count one selected call and tell whether it fails."""
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)


class Faults:
    """The faults in force; the first that strikes decides."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def check(self, call: Call) -> None:
        """Raise the AwsError of the fault that strikes this call, if any does."""
        with self._lock:
            struck = [fault for fault in self._faults if fault.selects(call) and fault.strikes()]
        if struck:
            raise AwsError(struck[0].code, struck[0].message, struck[0].status)
