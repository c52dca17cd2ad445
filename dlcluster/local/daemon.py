"""The embedded cloud's process: the emulated AWS, its nodes, and the rules of its own life and death."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import resource
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dlcluster.local.aws.front import Emulator
from dlcluster.local.aws.server import Server
from dlcluster.local.home import PING, SAVE, STATUS, Daemon, Home
from dlcluster.local.keeper import Keeper
from dlcluster.local.nodes.node import Site
from dlcluster.local.nodes.sweep import sweep
from dlcluster.local.nodes.zygote import Zygote
from dlcluster.local.reconcile import Reconciler

log = logging.getLogger(__name__)
PORTS = range(20000, 32000)  # below the range from which systems take ports for outgoing connections
TICK = 1.0
FILES = 16384  # open files: a node takes three, a connection through another node two, a command three


@dataclass(frozen=True)
class Options:
    """How to run. port: of the AWS endpoint, 0 for any; idle_seconds: end after so long without use, 0 for never."""

    port: int = 0
    nodes: bool = True
    idle_seconds: float = 0


class Front:
    """The emulator as a WSGI application, with the daemon's own pages; it notes when it was last used."""

    def __init__(self, emulator: Emulator, identity: str) -> None:
        self._emulator = emulator
        self._identity = identity
        self.pages: dict[str, Callable[[], dict[str, Any]]] = {PING: dict}
        self.used = time.monotonic()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.used = time.monotonic()
        path = environ.get("PATH_INFO")
        page = self.pages.get(path or "")
        if page is None:
            return self._emulator(environ, start_response)
        answer = {"identity": self._identity} | page()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]


class Ports:
    """Two ports that are free on every loopback address; kept so while the daemon lives, as nodes come later."""

    def __init__(self, wanted: Sequence[int] = ()) -> None:
        """wanted: the ports of an earlier daemon, taken again when they are free."""
        before = [*wanted, 0, 0]
        self._sockets = [self._reserve(before[0]), self._reserve(before[1])]
        self.ssh, self.imds = (item.getsockname()[1] for item in self._sockets)

    def close(self) -> None:
        for item in self._sockets:
            item.close()

    @staticmethod
    def _reserve(wanted: int) -> socket.socket:
        for port in [*filter(None, [wanted]), *random.sample(PORTS, 200)]:
            kept = socket.socket()
            with socket.socket() as probe, suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not count
                probe.bind(("0.0.0.0", port))
                probe.close()
                kept.bind(("127.0.0.1", port))
                return kept
            kept.close()
        raise OSError("no free port between 20000 and 32000")


class Cloud:
    """Everything that runs in the daemon, from start to end."""

    def __init__(self, home: Home, options: Options) -> None:
        self._home = home
        self._options = options
        self._identity = secrets.token_hex(16)
        self._changed: Callable[[], None] = lambda: None
        self._emulator = Emulator(nodes=options.nodes, on_change=self._touch)
        self._front = Front(self._emulator, self._identity)
        self._front.pages |= {STATUS: self._holdings, SAVE: self._save_now}
        self._keeper = Keeper(self._emulator, home.snapshot, nodes=options.nodes)
        self._reconciler: Reconciler | None = None

    async def run(self, ready: Callable[[Daemon], None]) -> None:
        """Serve until SIGTERM, SIGINT or idleness. `ready` is called once clients can connect."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = self._serve()
        self._emulator.endpoint = server.endpoint
        ports, zygote = Ports(self._keeper.ports[1:]), Zygote(str(self._home.path))
        self._keeper.ports = [server.port, ports.ssh, ports.imds]
        reconciling = self._start_nodes(ports, zygote) if self._options.nodes else None
        daemon = Daemon(os.getpid(), server.endpoint, ports.ssh, time.time(), self._home.path, self._identity)
        self._home.announce(daemon)
        log.info("listening at %s, nodes on port %s", daemon.endpoint, daemon.ssh_port)
        ready(daemon)
        self._emulator.compute.on_state()  # what was taken up goes on
        await self._live(stop)
        await asyncio.to_thread(self._save_now)
        if reconciling and self._reconciler:
            reconciling.cancel()
            await self._reconciler.close()
        await zygote.close()
        self._emulator.close()
        server.close()
        ports.close()
        self._home.retire()
        log.info("ended")

    def _start_nodes(self, ports: Ports, zygote: Zygote) -> asyncio.Task[None]:
        site = Site(
            zygote=zygote,
            compute=self._emulator.compute,
            endpoint=self._emulator.endpoint,
            account_id=self._emulator.account_id,
            ssh_port=ports.ssh,
            imds_port=ports.imds,
        )
        self._reconciler = Reconciler(site, self._home.nodes, self._keeper.disks)
        self._changed = self._reconciler.changed
        return asyncio.create_task(self._reconciler.run())

    async def _live(self, stop: asyncio.Event) -> None:
        """Return when asked to stop or when nobody needs this process any more."""
        limit = self._options.idle_seconds
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK)
            try:
                self._home.beat()
            except FileNotFoundError:
                log.warning("%s was removed", self._home.path)
                return
            await asyncio.to_thread(self._keeper.tick, self._disks())
            if limit and time.monotonic() - self._front.used > limit:
                if not await asyncio.to_thread(self._in_use):
                    log.info("nothing held and nobody asked for %g s", limit)
                    return
                self._front.used = time.monotonic()

    def take_up(self) -> None:
        """Go on with what an earlier daemon held, and clear away what it left besides. Raises OSError."""
        self._keeper.restore(self._home.nodes)
        sweep(self._home.nodes, self._keeper.disks)
        self._emulator.compute.on_state = self._after(self._emulator.compute.on_state)

    def _after(self, wake: Callable[[], None]) -> Callable[[], None]:
        def on_state() -> None:
            self._keeper.touch()
            wake()

        return on_state

    def _touch(self) -> None:
        self._keeper.touch()
        self._changed()

    def _serve(self) -> Server:
        """The AWS endpoint: at the port that was asked for, else at the one of the earlier daemon, else anywhere."""
        before = self._keeper.ports[:1]
        if not self._options.port and before:
            with suppress(OSError):
                return Server(self._front, "127.0.0.1", before[0])
        return Server(self._front, "127.0.0.1", self._options.port)

    def _disks(self) -> list[str]:
        return self._reconciler.disks() if self._reconciler else []

    def _save_now(self) -> dict[str, Any]:
        problem = self._keeper.save(self._disks())
        return {"problem": problem} if problem else {"saved": True}

    def _holdings(self) -> dict[str, Any]:
        emulator = self._emulator
        cloudformation: Any = emulator.services["cloudformation"][0]
        return {
            "stacks": len(cloudformation.registry.alive()),
            "instances": sum(item.state != "terminated" for item in emulator.compute.instances()),
            "buckets": emulator.backend.bucket_count(),
            "nodes": len(self._reconciler.nodes) if self._reconciler else 0,
            "calls": len(emulator.calls),
            "faults": sum(not fault.over for fault in emulator.faults.rows()),
            "unsaved": self._keeper.unsaved,
            **({"dropped": self._keeper.dropped} if self._keeper.dropped else {}),
        }

    def _in_use(self) -> bool:
        held = self._holdings()
        return any(held[kind] for kind in ("stacks", "instances", "buckets", "faults"))


def run(home: Home, options: Options, ready: Callable[[Daemon], None]) -> None:
    """Be the daemon of a home that the caller holds; returns when it has ended cleanly."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # neither nodes nor our own clients may see the user's real account
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most) if most > 0 else FILES, most))
    cloud = Cloud(home, options)
    cloud.take_up()
    home.bury()
    asyncio.run(cloud.run(ready))
    sys.stdout.flush()
