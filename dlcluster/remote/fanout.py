"""The same work on many nodes at once; one outcome for each, no error lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What came of one item: a value, or the exception that stopped it."""

    item: Item
    value: Value | None
    error: Exception | None

    def unwrap(self) -> Value:
        """The value; raises the error if there is one."""
        if self.error:
            raise self.error
        return self.value  # type: ignore[return-value]


def fan_out(function: Callable[[Item], Value], items: Sequence[Item], *, limit: int = 32) -> list[Outcome[Item, Value]]:
    """Call `function` for every item, at most `limit` at a time. Order is kept; every error is in its outcome."""

    def attempt(item: Item) -> Outcome[Item, Value]:
        try:
            return Outcome(item, function(item), None)
        except Exception as error:
            return Outcome(item, None, error)

    if not items:
        return []
    pool = ThreadPoolExecutor(min(limit, len(items)), thread_name_prefix="fan-out")
    try:
        return list(pool.map(attempt, items))
    except BaseException:  # Ctrl-C: what has not begun is dropped
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)
