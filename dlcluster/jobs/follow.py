"""Watch a job: a rank's output as it grows, and at the end what became of it. Watching changes nothing of the job."""

from __future__ import annotations

import base64
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import control, nodecode
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.records import Job
from dlcluster.remote.ssh import Gateway

if TYPE_CHECKING:
    from dlcluster.cloud.fleet import Node

DRAIN = 10.0  # seconds for the rest of a log after the job's end
Status = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Failure:
    """The first rank that failed. rank: None when the launcher itself did; log: its last lines."""

    node: str
    rank: int | None
    exit_code: int
    log: list[str]

    def __str__(self) -> str:
        who = "the rendezvous" if self.node == "head" else "torchrun" if self.rank is None else f"rank {self.rank}"
        return f"{who} on {self.node} failed (exit code {self.exit_code})"


@dataclass(frozen=True)
class Outcome:
    """How a job ended. state: succeeded | failed | cancelled; exit_code: the job's own.

    unstored: node to error, for results that did not reach the bucket.
    """

    state: str
    exit_code: int
    failure: Failure | None
    unstored: dict[str, str]


def follow(
    cluster: Cluster,
    gateway: Gateway,
    job: Job,
    writer: BinaryIO,
    *,
    rank: int = 0,
    status: Status = lambda status: None,
) -> Outcome:
    """Copy a rank's output to `writer` until the job has ended and its results are stored.

    status: called with the head's status at every change. UserError NODE_LOST when a node was lost in the job: the
    others have stopped by then. KeyboardInterrupt passes through and leaves the job running.
    """
    with _Watch(cluster, gateway, job, rank) as watch:
        final = watch.run(writer, status)
    return conclude(cluster, gateway, job, final)


def conclude(cluster: Cluster, gateway: Gateway | None, job: Job, final: dict[str, Any] | None) -> Outcome:
    """The outcome in the head's final status. UserError NODE_LOST when a node, or the head, was lost in it."""
    if not final or "outcome" not in final:
        raise UserError(
            "the job is lost: the head restarted, or ended, while it ran",
            where=job.id,
            hint="start it again with `dlcluster train`",
            code=Exit.NODE_LOST,
        )
    outcome = final["outcome"]
    failure = outcome["failure"]
    if outcome["state"] == "lost":
        if gateway:
            control.stop_everywhere(cluster, gateway, job.id, but=job.instances.get(failure["node"], ""))
        raise lost(cluster, job, failure["node"], failure["reason"])
    if failure:
        failure = Failure(failure["node"], failure["rank"], failure["exit_code"], failure["log"])
    return Outcome(outcome["state"], outcome["exit_code"], failure, final.get("stored", {}).get("errors", {}))


def lost(cluster: Cluster, job: Job, name: str, reason: str) -> UserError:
    """The error for a node that was lost in a job: with the instance and what EC2 says of it now."""
    from dlcluster.cloud import fleet

    instance = job.instances.get(name, "")  # the cluster may have another worker of this name by now
    rows = {row["InstanceId"]: row["State"]["Name"] for row in fleet.instances(cluster.session, cluster.name)}
    state = rows.get(instance, "terminated")
    return UserError(
        f"the node was lost while {job.id} ran: {reason} ({instance} is {state}); the job was stopped",
        where=name,
        hint="repair the cluster with `dlcluster up`, then start the job again",
        code=Exit.NODE_LOST,
    )


class _Watch:
    """One thread reads the head's status, one the log of the node where the rank runs; the caller's thread writes.

    The head tells where rank 0 runs. Another rank's log is looked for on every worker.
    """

    def __init__(self, cluster: Cluster, gateway: Gateway, job: Job, rank: int) -> None:
        self._cluster = cluster
        self._gateway = gateway
        self._job = job
        self._rank = rank
        self._events: queue.Queue[tuple[str, str, Any]] = queue.Queue()  # kind, node, value
        self._streams: list[nodecode.Lines] = []
        self._told: dict[str, int] = {}  # bytes of the rank's log on each node where it may run
        self._open_logs: set[str] = set()
        self._whole: set[str] = set()  # those whose log was told to its end

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: object) -> None:
        for lines in list(self._streams):
            lines.stream.close()

    def run(self, writer: BinaryIO, tell: Status) -> dict[str, Any]:
        """Until the head has told the end and the log is drained; returns the head's final status."""
        self._begin("head", "status", None)
        for name in self._job.nodes.keys() - {"head"} if self._rank else ():
            self._follow_log(name)
        final: dict[str, Any] | None = None
        deadline = float("inf")
        while final is None or (self._open_logs and time.monotonic() < deadline):
            try:
                kind, node, value = self._events.get(timeout=None if final is None else DRAIN)
            except queue.Empty:
                break
            if kind == "log":
                self._tell(writer, node, value)
            elif kind == "status":
                tell(value)
                self._follow_rank0(value)
                if value["state"] == "stored":
                    final, deadline = value, time.monotonic() + DRAIN
            elif kind == "log-end":
                self._open_logs.discard(node)
                self._whole |= {node} if value == "done" else set()
            elif kind == "status-end" and final is None:
                raise self._head_lost(value)
        assert final is not None
        for node in self._told.keys() - self._whole:
            self._tell(writer, node, self._stored(node)[self._told[node] :])
        return final

    def _tell(self, writer: BinaryIO, node: str, text: bytes) -> None:
        writer.write(text)
        writer.flush()
        self._told[node] += len(text)

    def _stored(self, node: str) -> bytes:
        """The rank's log from the bucket, where the way to the node broke; b'' when it is not there either."""
        try:
            return self._cluster.store.get(f"{self._job.prefix}logs/{node}/rank-{self._rank}.log")
        except UserError:
            return b""

    def _follow_rank0(self, status: dict[str, Any]) -> None:
        node = status.get("rank0")
        if node and node not in self._told and self._rank == 0:
            self._follow_log(node)

    def _follow_log(self, node: str) -> None:
        self._told[node] = 0
        self._open_logs.add(node)
        self._begin(node, "log", f"rank-{self._rank}.log")

    def _begin(self, node: str, kind: str, log: str | None) -> None:
        threading.Thread(target=self._read, args=(node, kind, log), daemon=True, name=f"follow-{node}").start()

    def _read(self, node: str, kind: str, log: str | None) -> None:
        """Pass on what a node says; any end of it, good or bad, is an event too."""
        end: Any = "the connection ended"
        try:
            connection = self._gateway.connect(self._cluster.target(self._node(node)))
            lines = nodecode.call(connection, "follow", {"job": self._job.id, "log": log, "offset": 0})
            self._streams.append(lines)
            for line in lines:
                if kind in line:
                    value = line[kind]
                    self._events.put((kind, node, base64.b64decode(value) if kind == "log" else value))
                end = line.get("end", end)
        except Exception as error:
            end = error
        self._events.put((f"{kind}-end", node, end))

    def _node(self, name: str) -> Node:
        """The node as the job knows it: names move when a node is replaced, addresses do not."""
        here = [node for node in self._cluster.nodes if node.private_ip == self._job.nodes[name]]
        return here[0] if here else self._cluster.node(name)

    def _head_lost(self, end: Any) -> Exception:
        if end == "missing":
            return UserError(f"the head knows no job {self._job.id}", where="head", code=Exit.NOT_FOUND)
        if isinstance(end, UserError) and end.code != Exit.NODE_LOST:
            return end
        control.stop_everywhere(self._cluster, self._gateway, self._job.id)
        reason = "its supervisor died" if end == "dead" else end.what if isinstance(end, UserError) else str(end)
        return lost(self._cluster, self._job, "head", reason)
