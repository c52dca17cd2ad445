"""Nodes follow instances: what the emulated EC2 says runs has a node, whoever asked for it and however."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from dlcluster.local.aws.query import AwsError
from dlcluster.local.nodes.layout import Layout
from dlcluster.local.nodes.node import Node, Site

log = logging.getLogger(__name__)
INTERVAL = 1.0  # seconds between looks when nothing announces a change
UP = ("pending", "running")
OFF = ("stopping", "stopped")


class Reconciler:
    """Compares instances with nodes at every change and each second, and starts or stops what differs.

    Level-triggered: a missed or repeated event does no harm. One task per node, so 64 start side by side.
    """

    def __init__(self, site: Site, directory: Path, kept: Iterable[str] = ()) -> None:
        """kept: ids of instances whose nodes have a directory already, from an earlier daemon."""
        self._site = site
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        # Of stopped instances, and of those that an earlier daemon left.
        self._kept = {identity: Layout(directory / identity) for identity in kept}
        self._dead: set[str] = set()  # their init was killed
        self.nodes: dict[str, Node] = {}

    def changed(self) -> None:
        """Look now. Safe from any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            try:
                await self.step()
            except Exception:
                log.exception("cannot compare instances with nodes; trying again")
            try:
                await asyncio.wait_for(self._wake.wait(), INTERVAL)
            except TimeoutError:
                pass
            self._wake.clear()

    async def step(self) -> None:
        """One comparison; starts tasks and returns."""
        while self._dead:
            reason = "Server.InternalError: the node's init process was killed"
            await self._set_state(self._dead.pop(), "terminated", reason)
        busy = set(self._busy)  # what changes while we look is looked at again
        instances = {item.id: item for item in await asyncio.to_thread(self._site.compute.instances)}
        for identity in (instances.keys() | self.nodes.keys() | self._kept.keys()) - busy:
            self._compare(identity, instances.get(identity))

    def _compare(self, identity: str, instance: Any | None) -> None:
        node = self.nodes.get(identity)
        state = instance.state if instance else "terminated"
        if state in UP and node is None:
            self._begin(identity, self._start(instance))
        elif state == "running" and node is not None and instance is not None:
            if instance.boots != node.instance.boots:
                self._begin(identity, self._reboot(instance))
            elif instance.public_ip != node.instance.public_ip:
                self._begin(identity, node.readdress(instance))
            else:
                node.instance = instance
        elif node or (identity in self._kept and state not in OFF):
            # A node of a pending instance is from before a stop and start that we did not see.
            self._begin(identity, self._stop(identity, keep=state in (*OFF, "pending")))

    async def close(self) -> None:
        """Stop every node; their directories stay."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))
        await asyncio.gather(*(self._stop(identity, keep=True) for identity in list(self.nodes)))

    def disks(self) -> list[str]:
        """Ids of the instances whose node has a directory."""
        return [*self.nodes, *self._kept]

    def _begin(self, identity: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._busy[identity] = self._loop.create_task(work)

        def done(_: object) -> None:
            del self._busy[identity]
            if not task.cancelled() and (error := task.exception()):
                log.error("node of %s", identity, exc_info=error)
            self._wake.set()

        task.add_done_callback(done)

    async def _start(self, instance: Any) -> None:
        kept = self._kept.pop(instance.id, None)
        layout = kept or Layout(self._directory / instance.id)
        node = Node(self._site, instance, layout, on_death=lambda: self._lost(instance.id))
        try:
            await node.start(run_user_data=kept is None)
        except OSError as error:
            log.error("node of %s at %s cannot start: %s", instance.id, instance.private_ip, error)
            await self._set_state(instance.id, "terminated", f"Server.InternalError: the node cannot start: {error}")
            await asyncio.to_thread(layout.remove)
            return
        self.nodes[instance.id] = node
        await self._set_state(instance.id, "running")

    async def _reboot(self, instance: Any) -> None:
        await self._stop(instance.id, keep=True)
        await self._start(instance)

    async def _stop(self, identity: str, *, keep: bool) -> None:
        node = self.nodes.pop(identity, None)
        layout = node.layout if node else self._kept.pop(identity)
        if node:
            await node.stop()
        if keep:
            self._kept[identity] = layout
        else:
            await asyncio.to_thread(layout.remove)

    def _lost(self, identity: str) -> None:
        log.error("node of %s died", identity)
        self._dead.add(identity)
        self._wake.set()

    async def _set_state(self, identity: str, state: str, reason: str = "") -> None:
        try:
            await asyncio.to_thread(self._site.compute.set_state, identity, state, reason)
        except AwsError as error:  # the emulator has forgotten it
            log.warning("%s cannot become %s: %s", identity, state, error)
