"""A worker's part of a job: torchrun, its end, and what is left of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from selectors import EVENT_READ
from typing import Any

from . import files, launch, outcome, processes, storing
from .rank import die_with_parent
from .supervisor import Supervisor, watch_peer

PATIENCE = 10.0  # seconds from asking torchrun to end until all is killed; a job's `limits` may say otherwise
LOOK = 0.1  # seconds between looks for rank 0's record


class Worker(Supervisor):
    """Runs torchrun until it ends or the head says stop. Ends only when none of its processes is left."""

    hub: socket.socket
    asked = ""  # why the head wants us to stop
    stopped = ""  # why we do
    deadline = float("inf")
    told_rank0 = -1
    buffer = b""
    no_code = ""  # why the job's code could not be copied

    def run(self) -> None:
        started = time.time()
        self.status(state="starting", started=started)
        try:
            self._join()
            child = self._start()
        except OSError as error:
            end = self._failed_to_start(error)
        else:
            threading.Thread(target=self._copy_code, daemon=True).start()
            self.status(state="running")
            self._tell({"running": True})
            end = self._end(self._watch(child))
        self.status(state="ended", ended=time.time(), **end)
        self._tell({"ended": end})
        self._store()
        self._leave()

    def _join(self) -> None:
        address = (self.spec["nodes"]["head"], self.spec["ports"]["hub"])
        self.hub = socket.create_connection(address, timeout=10)
        watch_peer(self.hub)
        self.selector.register(self.hub, EVENT_READ)
        self._tell({"node": self.spec["node"], "token": self.spec["token"]})

    def _start(self) -> subprocess.Popen[bytes]:
        gpus = launch.gpus()
        ranks = self.spec.get("processes") or gpus or 1
        with open(self.path("workers"), "w") as file:
            file.writelines(address + "\n" for address in launch.workers(self.spec).values())
        command = launch.torchrun(self.spec, launch.python(self.spec, os.environ), ranks, self.directory)
        environment = launch.environment(self.spec, ranks, gpus, self.directory, self.bundle, os.environ)
        with open(self.path("logs", "torchrun.log"), "ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=launch.torchrun_environment(self.spec, environment, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    def _copy_code(self) -> None:
        """A copy of its own for every job: what a script writes beside itself never reaches the next job.

        It is made while torchrun loads. The ranks wait for its name, which it gets when it is complete.
        """
        try:
            shutil.copytree(os.path.join(self.bundle, "code"), self.path("code.part"), symlinks=True)
            os.rename(self.path("code.part"), self.path("code"))
        except OSError as error:  # shutil.Error is one
            self.no_code = f"cannot copy the code: {error}"

    def _watch(self, child: subprocess.Popen[bytes]) -> int:
        while child.poll() is None:
            self._listen()
            self._announce_rank0()
            if self.terminated and not self.stopped:
                self._stop(child, "cancelled" if self.told_to_cancel() else "shutdown")
            elif (self.asked or self.no_code) and not self.stopped:
                self._stop(child, self.asked or "no code")
            if time.monotonic() > self.deadline:
                child.kill()
                processes.kill_descendants()
        code = child.returncode
        return code if code >= 0 else 128 - code

    def _listen(self) -> None:
        for key in self.wait(LOOK):
            try:
                data = self.hub.recv(4096)
            except OSError:
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
                self.asked = "the head is gone"
            *lines, self.buffer = (self.buffer + data).split(b"\n")
            for line in lines:
                self.asked = json.loads(line)["stop"]

    def _announce_rank0(self) -> None:
        record = files.read_json(self.path("ranks", "0.json"))
        if record and record["attempt"] > self.told_rank0:
            self.told_rank0 = record["attempt"]
            self._tell({"rank0": self.told_rank0})

    def _stop(self, child: subprocess.Popen[bytes], why: str) -> None:
        self.stopped = why
        self.deadline = time.monotonic() + self.spec.get("limits", {}).get("patience", PATIENCE)
        child.terminate()

    def _end(self, code: int) -> dict[str, Any]:
        left = processes.kill_descendants()
        self._announce_rank0()
        end: dict[str, Any] = {"exit_code": code, "stopped": self.stopped, "left": left, "failure": None}
        if self.no_code:
            end["failure"] = {"rank": None, "exit_code": code or 1, "at": time.time(), "log": [self.no_code]}
            return end
        if self.stopped == "shutdown":
            end.update(lost="the node was told to shut down", at=time.time())
        ranks = [files.read_json(self.path("ranks", name)) for name in os.listdir(self.path("ranks"))]
        failed = outcome.first_failure(ranks)
        if code and failed:
            log = files.tail(self.path("logs", f"rank-{failed['rank']}.log"))
            end["failure"] = {key: failed[key] for key in ("rank", "exit_code")}
            end["failure"].update(at=failed["failed_at"], log=log)
        elif code and not self.stopped:
            log = files.tail(self.path("logs", "torchrun.log"))
            end["failure"] = {"rank": None, "exit_code": code, "at": time.time(), "log": log}
        return end

    def _failed_to_start(self, error: OSError) -> dict[str, Any]:
        failure = {"rank": None, "exit_code": 1, "at": time.time(), "log": [f"cannot start: {error}"]}
        return {"exit_code": 1, "stopped": "", "left": [], "failure": failure}

    def _store(self) -> None:
        node = self.spec["node"]
        folders = {"logs": "logs/" + node}
        if self.told_rank0 >= 0:
            folders["output"] = "output"
        stored = storing.store(self.spec, self.directory, folders)
        error = self.finish(stored)
        stored["error"] = stored["error"] or error
        self.status(state="stored", stored=stored)
        self._tell({"stored": stored})

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self.hub.sendall(json.dumps(message).encode() + b"\n")
        except (OSError, AttributeError):
            pass  # the head is gone (or was never reached): the status file tells the story

    def _leave(self) -> None:
        """Close only after the head has: closing with unread data would throw away what we said last."""
        try:
            self.hub.shutdown(socket.SHUT_WR)
            self.hub.settimeout(10)
            while self.hub.recv(4096):
                pass
        except (OSError, AttributeError):
            pass
