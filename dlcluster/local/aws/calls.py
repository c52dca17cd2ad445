"""The log of calls."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from dlcluster.local.aws.faults import Fault, Faults

__all__ = ["CallLog", "Fault", "Faults", "Record"]


@dataclass(frozen=True)
class Record:
    """One answered call; `error` is the AWS code of a refusal, `AnswerLost` where a fault kept the answer.

    instance: whose role credentials were used. faults: ids of the faults that struck it.
    """

    time: float
    service: str
    action: str
    region: str
    access_key: str
    origin: str
    status: int
    error: str | None
    milliseconds: float
    instance: str | None = None
    faults: tuple[str, ...] = ()

    def passes(self, wanted: dict[str, str]) -> bool:
        """Whether it is one of those asked for: by service, action, origin (wildcards allowed), failed."""
        if wanted.get("failed") and self.error is None:
            return False
        origins = (self.origin, self.instance or "")
        return (
            fnmatchcase(self.service, wanted.get("service") or "*")
            and fnmatchcase(self.action, wanted.get("action") or "*")
            and any(fnmatchcase(origin, wanted.get("origin") or "*") for origin in origins)
        )

    def row(self) -> dict[str, Any]:
        """All of it, fit for JSON."""
        return asdict(self)


class CallLog:
    """The last calls, oldest first."""

    def __init__(self, size: int = 10_000) -> None:
        self._records: deque[Record] = deque(maxlen=size)
        self._count = 0
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        with self._lock:
            self._records.append(record)
            self._count += 1

    def since(self, number: int) -> tuple[list[Record], int]:
        """The calls after the first `number` ones that are still held, and how many there were in all."""
        with self._lock:
            fresh = max(0, self._count - number)
            records = list(self._records)
            return records[len(records) - min(fresh, len(records)) :], self._count

    def __iter__(self) -> Iterator[Record]:
        return iter(self.since(0)[0])

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        with self._lock:
            self._records.clear()
