"""Work ahead in the background: a thread reads an iterator while its items are used."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

JOIN = 5.0  # seconds to wait at the end for a producer that is stuck in a read


class Prefetch(Generic[T]):
    """An iterator over `items` that is up to `depth` items ahead.

    What the producer raises is raised where its item would have come. `close`, or leaving a `with` block, stops the
    thread; so does dropping the object.
    """

    def __init__(self, items: Iterable[T], depth: int = 2) -> None:
        self._shared = _Shared(depth)
        self._thread = threading.Thread(
            target=_produce, args=(items, self._shared), name="dlengine-prefetch", daemon=True
        )
        self._finalizer = weakref.finalize(self, self._shared.stop)
        self._thread.start()

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item: T = self._shared.take()
        return item

    def close(self) -> None:
        """Stop reading ahead, and wait for the thread."""
        self._shared.stop()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN)


class _Shared:
    """What both threads see; it must not know the Prefetch, so that dropping that one ends the thread."""

    def __init__(self, depth: int) -> None:
        self.changed = threading.Condition()
        self.items: deque[Any] = deque()
        self.depth = max(1, depth)
        self.error: BaseException | None = None
        self.ended = self.stopped = False

    def put(self, item: Any) -> bool:
        """Add an item when there is room; whether to go on."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or len(self.items) < self.depth)
            if not self.stopped:
                self.items.append(item)
                self.changed.notify_all()
            return not self.stopped

    def end(self, error: BaseException | None) -> None:
        with self.changed:
            self.ended, self.error = True, error
            self.changed.notify_all()

    def take(self) -> Any:
        """The next item; raises StopIteration, or once what the producer raised."""
        with self.changed:
            self.changed.wait_for(lambda: self.items or self.ended or self.stopped)
            if self.items and not self.stopped:
                item = self.items.popleft()
                self.changed.notify_all()
                return item
            error, self.error = self.error, None
        if error is not None and not self.stopped:
            raise error
        raise StopIteration

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.items.clear()
            self.changed.notify_all()


def _produce(items: Iterable[Any], shared: _Shared) -> None:
    """Hand over the items until there are no more, one fails, or nobody wants them."""
    error: BaseException | None = None
    try:
        iterator = iter(items)
        try:
            for item in iterator:
                if not shared.put(item):
                    break
                del item  # it may be large, and the next one takes a while
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    except BaseException as caught:
        error = caught
    shared.end(error)
