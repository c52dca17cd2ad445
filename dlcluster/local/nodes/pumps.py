"""Bytes between a descriptor (pipe, terminal, socket) and an SSH channel, with back pressure both ways.

asyncssh's own `process.redirect()` and port forwarder are not used: an exception there, as when a client closes one
channel early, ends the whole connection and loses the output of unrelated commands.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

CHUNK = 65536
HIGH_WATER = 1 << 20


class Output:
    """Reads a descriptor until its end and hands the bytes on; `close` is called once, at the end."""

    def __init__(self, descriptor: int, deliver: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._deliver = deliver
        self._close = close
        self.received = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(descriptor, False)
        self.resume()

    def pause(self) -> None:
        if not self.ended.done():
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        if not self.ended.done():
            self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Stop reading: a process that goes on writing gets SIGPIPE."""
        if not self.ended.done():
            self._loop.remove_reader(self._descriptor)
            self.ended.set_result(None)
            self._close()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal whose last process closed it, a connection that was reset
            data = b""
        if data:
            self.received += len(data)
            self._deliver(data)
        else:
            self.close()


class Input:
    """Writes bytes to a descriptor as fast as its reader takes them; `close` is called once, at the end.

    throttle(True) is called when more than HIGH_WATER bytes wait, throttle(False) when they are gone.
    """

    def __init__(self, descriptor: int, throttle: Callable[[bool], None], close: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._throttle = throttle
        self._close = close
        self._waiting = bytearray()
        self._throttled = False
        self._ending = False
        self.closed = False
        os.set_blocking(descriptor, False)

    def write(self, data: bytes) -> None:
        """Write now or later; bytes that nobody reads any more are dropped, as a closed pipe does."""
        if self.closed or self._ending:
            return
        self._waiting += data
        self._write()
        if len(self._waiting) > HIGH_WATER and not self._throttled:
            self._throttled = True
            self._throttle(True)

    def end(self) -> None:
        """End of input: close when everything is written."""
        self._ending = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._waiting.clear()
            self._loop.remove_writer(self._descriptor)
            self._close()
            self._calm()

    def _write(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
        except BlockingIOError:
            self._loop.add_writer(self._descriptor, self._write)
            return
        except OSError:  # the reader is gone
            self.close()
            return
        self._loop.remove_writer(self._descriptor)
        if self._ending:
            self.close()
        else:
            self._calm()  # last: it may bring more data, and the end

    def _calm(self) -> None:
        if self._throttled:
            self._throttled = False
            self._throttle(False)
