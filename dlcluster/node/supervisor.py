"""Runs a node's part of a job, detached: `python3 -m node.supervisor JOB_DIR LOCK_FD [RENDEZVOUS_FD HUB_FD]`.

A worker's supervisor runs torchrun; the head's keeps the rendezvous and decides what became of the job. Every worker
holds a TCP connection to the head (hub.py), so the kernel reports the end of either, with or without a client.
The descriptors are inherited from pull.py; the lock is held by merely leaving its descriptor open.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from . import files, processes, prune, storing

KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 5, "TCP_USER_TIMEOUT": 15000}


class Supervisor:
    """What both kinds share: the job's files, the status, and one place to wait for signals, children and sockets."""

    def __init__(self, spec: dict[str, Any], directory: str) -> None:
        self.spec = spec
        self.directory = directory
        self.bundle = os.getcwd()
        self.terminated = False
        self.selector = selectors.DefaultSelector()
        self._status: dict[str, Any] = {"job": spec["id"], "node": spec["node"], "pid": os.getpid()}
        processes.adopt_orphans()
        self._wake_on_signals()

    def path(self, *parts: str) -> str:
        return os.path.join(self.directory, *parts)

    def status(self, **fields: Any) -> dict[str, Any]:
        """Change fields of `status.json`; returns all of them."""
        self._status.update(fields)
        files.write_json(self.path("status.json"), self._status)
        return self._status

    def finish(self, stored: dict[str, Any]) -> str:
        """Put the final status into the bucket, and only then say here that all is stored. Returns the error or ''."""
        final = dict(self._status, state="stored", stored=stored)
        files.write_json(self.path("final.json"), final)
        return storing.put(self.spec, self.path("final.json"), f"nodes/{self.spec['node']}.json")

    def wait(self, seconds: float) -> list[selectors.SelectorKey]:
        """Sleep until a socket has news, a signal came or a child ended, at most `seconds`."""
        ready = [key for key, _ in self.selector.select(max(0.0, seconds))]
        for key in ready:
            if key.fileobj is self._wake:
                self._wake.recv(512)
        return [key for key in ready if key.fileobj is not self._wake]

    def told_to_cancel(self) -> bool:
        """Whether the user has cancelled the job (else a SIGTERM means that the machine goes down)."""
        return os.path.exists(self.path("cancelled"))

    def _wake_on_signals(self) -> None:
        self._wake, wake_up = socket.socketpair()
        wake_up.setblocking(False)
        self._wake_up = wake_up
        signal.set_wakeup_fd(wake_up.fileno(), warn_on_full_buffer=False)
        self.selector.register(self._wake, selectors.EVENT_READ)

        def terminate(number: int, frame: Any) -> None:
            self.terminated = True

        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)


def watch_peer(sock: socket.socket) -> None:
    """Let the kernel report within 15 seconds that the machine at the other end is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def main(directory: str, *descriptors: str) -> None:
    spec = files.read_json(os.path.join(directory, "job.json"))
    print(time.strftime("%Y-%m-%d %H:%M:%S"), "job", spec["id"], "on", spec["node"], flush=True)
    if spec["node"] == "head":
        from .hub import Head

        Head(spec, directory).run(int(descriptors[1]), int(descriptors[2]))
    else:
        from .worker import Worker

        Worker(spec, directory).run()
    print("pruned", *prune.prune(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
