"""The daemon's side of `init.py`: start inits, and through them processes, from asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlcluster.local.nodes.init import HEADER

SCRIPT = Path(__file__).with_name("init.py")


async def send(link: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one framed request with file descriptors. Raises OSError when the other side is gone."""
    data = json.dumps(message).encode()
    while True:
        try:
            socket.send_fds(link, [HEADER.pack(len(data))], descriptors)
            break
        except BlockingIOError:
            await asyncio.sleep(0.01)
    await asyncio.get_running_loop().sock_sendall(link, data)


class Process:
    """A process on a node, a session leader. pid: its process id; wait(): its wait status."""

    def __init__(self, init: Init, identity: int, pid: int, status: asyncio.Future[int]) -> None:
        self._init = init
        self._identity = identity
        self._status = status
        self.pid = pid

    async def wait(self) -> int:
        """The wait status as of os.waitpid; SIGKILL's when the whole node died."""
        return await asyncio.shield(self._status)

    def send_signal(self, number: int) -> None:
        """Signal the process group, if the process still runs."""
        self._init.post({"kill": self._identity, "signal": number})


class Init:
    """One node's init process. `pid` is known and `died` pending once `Zygote.boot` has returned it."""

    def __init__(self, link: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._link = link
        self._sending = asyncio.Lock()
        self._identities = itertools.count(1)
        self._started: dict[int, asyncio.Future[int]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._posted: set[asyncio.Task[None]] = set()
        self.booted: asyncio.Future[int] = loop.create_future()
        self.died: asyncio.Future[None] = loop.create_future()
        self._reader = loop.create_task(self._read())

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdio: Sequence[int],
        tty: bool = False,
    ) -> Process:
        """Start argv with three descriptors as its stdio, which stay the caller's to close.

        tty: stdin becomes its controlling terminal. Raises OSError when it cannot be started.
        """
        loop = asyncio.get_running_loop()
        identity = next(self._identities)
        started = self._started[identity] = loop.create_future()
        status = self._running[identity] = loop.create_future()
        request = {"id": identity, "argv": list(argv), "env": dict(env), "cwd": cwd, "tty": tty}
        try:
            await self.request(request, stdio)
            pid = await started
        except OSError:
            self._running.pop(identity, None)
            raise
        finally:
            self._started.pop(identity, None)
        return Process(self, identity, pid, status)

    async def request(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        if self.died.done():
            raise ConnectionResetError("the node is down")
        async with self._sending:
            await send(self._link, message, descriptors)

    def post(self, message: dict[str, Any]) -> None:
        """Send a request without waiting; a dead node ignores it."""

        async def sent() -> None:
            with contextlib.suppress(OSError):
                await self.request(message)

        task = asyncio.get_running_loop().create_task(sent())
        self._posted.add(task)
        task.add_done_callback(self._posted.discard)

    async def kill(self) -> None:
        """Kill every process of the node and return when init has ended."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)
            os.kill(self.booted.result(), signal.SIGCONT)  # somebody may have stopped it
        await self._reader

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        pending = b""
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(self._link, 65536):
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._received(json.loads(line))
        self._link.close()
        for waiter in [self.booted, *self._started.values()]:
            if not waiter.done():
                waiter.set_exception(ConnectionResetError("the node is down"))
                waiter.exception()  # nobody may be waiting
        for status in self._running.values():
            if not status.done():
                status.set_result(signal.SIGKILL)
        self.died.set_result(None)

    def _received(self, message: dict[str, Any]) -> None:
        if "init" in message:
            self.booted.set_result(message["init"])
        elif "status" in message:
            self._running.pop(message["id"]).set_result(message["status"])
        elif not (started := self._started[message["id"]]).done():
            if "error" in message:
                started.set_exception(OSError(message["error"], os.strerror(message["error"])))
            else:
                started.set_result(message["pid"])


class Zygote:
    """The process that forks inits; started at the first boot, and again should it have died.

    owner: whom it belongs to, for people who read the process list.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._starting = asyncio.Lock()

    async def boot(self) -> Init:
        """A running init for a new node. Raises OSError when the machine cannot start one."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            async with self._starting:
                try:
                    await send(self._connected(), {}, [theirs.fileno()])
                except ConnectionError:
                    self._end()
                    await send(self._connected(), {}, [theirs.fileno()])
        init = Init(ours)
        await init.booted
        return init

    async def close(self) -> None:
        """End the zygote and with it every node."""
        if self._link:
            self._link.close()
        if self._process:
            await asyncio.to_thread(self._process.wait)

    def _connected(self) -> socket.socket:
        if self._link is None:
            self._link, theirs = socket.socketpair()
            self._link.setblocking(False)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(SCRIPT), self._owner],
                    stdin=theirs.fileno(),
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
        return self._link

    def _end(self) -> None:
        if self._link and self._process:
            self._link.close()
            self._process.wait()
            self._link = None
