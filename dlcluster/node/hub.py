"""The head's part of a job: keeps the rendezvous, knows every worker, ends the job for all when one is lost."""

from __future__ import annotations

import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from selectors import EVENT_READ
from typing import Any

from . import files, launch, outcome, processes, storing
from .rank import die_with_parent
from .supervisor import Supervisor, watch_peer

# Seconds; a job's `limits` may say otherwise.
LIMITS = {
    "join": 120.0,  # until every worker must have called: the bundle's download is in it
    "grace": 5.0,  # after a failure, for the other ranks to end by themselves: one of them may be the cause
    "storing": 3600.0,  # for the workers to store their results
}


class Peer:
    """One connection from a worker: unnamed until its first line has shown the job's token."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.name = ""
        self._buffer = b""

    def lines(self) -> list[dict[str, Any]] | None:
        """What it has said since the last look; None when it has hung up."""
        try:
            data = self.sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def stop(self, why: str) -> None:
        try:
            self.sock.sendall(json.dumps({"stop": why}).encode() + b"\n")
        except OSError:
            pass  # it is gone, and its end of file tells so


class Head(Supervisor):
    def run(self, rendezvous: int, hub: int) -> None:
        self.limits = {**LIMITS, **self.spec.get("limits", {})}
        self.names = list(launch.workers(self.spec))
        self.peers: dict[str, Peer] = {}
        self.ends: dict[str, dict[str, Any]] = {}
        self.stored: dict[str, dict[str, Any]] = {}
        self.states = dict.fromkeys(self.names, "waiting")
        self.stopping = ""
        self.stop_at = float("inf")
        self.join_by = time.monotonic() + self.limits["join"]
        self.listener = socket.socket(fileno=hub)
        self.selector.register(self.listener, EVENT_READ, None)
        self.status(state="waiting", started=time.time(), nodes=self.states, rank0=None)
        self.store_process = self._start_rendezvous(rendezvous)
        self._until_all_ended()
        self._finish()

    def _start_rendezvous(self, descriptor: int) -> subprocess.Popen[bytes]:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rendezvous.py")
        with open(self.path("logs", "rendezvous.log"), "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-S", script, str(descriptor), str(len(self.names))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        os.close(descriptor)
        return process

    def _until_all_ended(self) -> None:
        while len(self.ends.keys() - {"head"}) < len(self.names):
            self._look(min(1.0, self.stop_at - time.monotonic()))
            now = time.monotonic()
            if self.terminated and not self.stopping:
                self._terminate()
            if "head" not in self.ends and self.store_process.poll() is not None:
                self._rendezvous_ended()
            if now > self.join_by:
                for name in self.names:
                    if self.states[name] == "waiting":
                        self._ended(name, {"lost": "it never joined the job", "at": time.time()})
            if now > self.stop_at and not self.stopping:
                self._stop("another node failed")

    def _look(self, seconds: float) -> None:
        for key in self.wait(seconds):
            if key.fileobj is self.listener:
                sock, _ = self.listener.accept()
                watch_peer(sock)
                self.selector.register(sock, EVENT_READ, Peer(sock))
            else:
                self._hear(key.data)

    def _hear(self, peer: Peer) -> None:
        try:
            lines = peer.lines()
            for line in lines or []:
                self._take(peer, line)
        except (ValueError, KeyError, TypeError) as error:  # not one of ours
            print("dropped a connection from", peer.name or "a stranger:", repr(error), flush=True)
            lines = None
        if lines is None:
            self._hung_up(peer)

    def _take(self, peer: Peer, line: dict[str, Any]) -> None:
        if not peer.name:
            if not hmac.compare_digest(str(line["token"]), self.spec["token"]) or line["node"] not in self.names:
                raise ValueError("wrong token or name")
            if line["node"] in self.ends:
                raise ValueError("too late")
            peer.name = line["node"]
            self.peers[peer.name] = peer
            self._state(peer.name, "joined")
        elif "running" in line:
            self._state(peer.name, "running")
        elif "rank0" in line:
            self.status(rank0=peer.name, attempt=line["rank0"])
        elif "ended" in line:
            self._ended(peer.name, line["ended"])
        elif "stored" in line:
            self.stored[peer.name] = line["stored"]
            self._state(peer.name, "stored")

    def _state(self, name: str, state: str) -> None:
        self.states[name] = state
        running = all(state == "running" for state in self.states.values())
        self.status(nodes=self.states, **({"state": "running"} if running else {}))

    def _ended(self, name: str, end: dict[str, Any]) -> None:
        self.ends.setdefault(name, end)
        self._state(name, "lost" if "lost" in end else "ended")
        if "lost" in end or end["stopped"]:
            self._stop_within(0)
        elif end["failure"]:
            self._stop_within(self.limits["grace"])

    def _stop_within(self, seconds: float) -> None:
        if not self.stopping:
            self.stop_at = min(self.stop_at, time.monotonic() + seconds)

    def _hung_up(self, peer: Peer) -> None:
        self.selector.unregister(peer.sock)
        peer.sock.close()
        name = peer.name
        if not name or name in self.stored:
            return
        if name not in self.ends:
            self._ended(name, {"lost": "its connection to the head broke", "at": time.time()})
        else:
            self.stored[name] = {"files": 0, "error": "the node was lost before it had stored its results"}

    def _rendezvous_ended(self) -> None:
        code = self.store_process.returncode
        log = files.tail(self.path("logs", "rendezvous.log"))
        failure = {"rank": None, "exit_code": code if code > 0 else 128 - code, "at": time.time(), "log": log}
        self.ends["head"] = {"exit_code": code, "stopped": "", "failure": failure}
        self._stop_within(0)

    def _terminate(self) -> None:
        if self.told_to_cancel():
            self._stop("cancelled")
        else:
            self.ends["head"] = {"lost": "the node was told to shut down", "at": time.time()}
            self._stop("the head shuts down")

    def _stop(self, why: str) -> None:
        self.stopping = why
        self.stop_at = float("inf")
        for peer in self.peers.values():
            peer.stop(why)
        for name in self.names:
            if self.states[name] == "waiting":  # when it calls after all, it is refused
                self._ended(name, {"exit_code": 0, "stopped": why, "failure": None})

    def _finish(self) -> None:
        verdict = outcome.decide(self.ends, cancelled=self.stopping == "cancelled")
        processes.kill_descendants()
        self.status(state="ended", ended=time.time(), outcome=verdict)
        deadline = time.monotonic() + self.limits["storing"]
        self.stored["head"] = storing.store(self.spec, self.directory, {"logs": "logs/head"})
        storing.put(self.spec, self.path("job.json"), "job.json")  # the client may have died before it could
        storing_nodes = {name for name, peer in self.peers.items() if "lost" not in self.ends[name]}
        while storing_nodes - self.stored.keys() and time.monotonic() < deadline:
            self._look(1.0)
        self.listener.close()
        errors = {name: result["error"] for name, result in self.stored.items() if result["error"]}
        error = self.finish({"errors": errors})
        self.status(state="stored", stored={"errors": dict(errors, head=error) if error else errors})
