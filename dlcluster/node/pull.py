"""Brings a job to this node: fetches the bundle, unpacks it, starts the supervisor, and says so in JSON lines.

Payload: {"job": job.json, "url", "sha256", "parallel"}. url None: the caller thinks that the bundle is here already; if
it is not, the only answer is {"wanted": sha256}. The head answers first with {"ports": {...}}, on sockets that are
already listening and that its supervisor inherits: the others can start at once, without asking again.
Then {"started": pid}, or {"busy": [job, ...]}, or {"error": text}.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from typing import Any

from . import files

BACKLOG = 1024


def main(payload: dict[str, Any]) -> int:
    spec = payload["job"]
    try:
        lock = _claim(spec["id"], payload["parallel"])
        if isinstance(lock, list):
            return _say({"busy": lock}, 3)
        directory = files.job_dir(spec["id"])
        if payload["url"] is None and not os.path.isdir(files.bundle_dir(payload["sha256"])):
            shutil.rmtree(directory)
            return _say({"wanted": payload["sha256"]})
        sockets = {}
        if spec["node"] == "head":
            sockets = {name: _listen(spec["nodes"]["head"]) for name in ("rendezvous", "hub")}
            spec["ports"] = {name: sock.getsockname()[1] for name, sock in sockets.items()}
            _say({"ports": spec["ports"]})
        bundle = _fetch(payload["url"], payload["sha256"])
        for name in ("logs", "ranks", "output"):
            os.mkdir(os.path.join(directory, name))
        files.write_json(os.path.join(directory, "job.json"), spec)
        return _say({"started": _start(bundle, directory, lock, list(sockets.values()))})
    except (OSError, ValueError) as error:  # urllib's errors are OSErrors
        return _say({"error": f"{type(error).__name__}: {error}"}, 1)


def _say(line: dict[str, Any], code: int = 0) -> int:
    print(json.dumps(line), flush=True)
    return code


def _claim(job: str, parallel: bool) -> Any:
    """The job's lock, or the list of jobs that keep the node busy. Two callers at once: one of them wins."""
    os.makedirs(os.path.join(files.home(), "jobs"), exist_ok=True)
    with files.take(os.path.join(files.home(), "submit.lock")):
        busy = files.running_jobs()
        if busy and not parallel:
            return busy
        os.mkdir(files.job_dir(job))
        return files.take(os.path.join(files.job_dir(job), "lock"))


def _listen(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((address, 0))
    sock.listen(BACKLOG)
    return sock


def _fetch(url: str, sha256: str) -> str:
    """The directory of the unpacked bundle; downloads it unless an earlier job has brought it."""
    target = files.bundle_dir(sha256)
    if os.path.isdir(target):
        os.utime(target)  # used just now: not the next to be pruned
        return target
    import tarfile  # here, as urllib below: slow to import, and an unchanged bundle needs none of it
    import tempfile

    os.makedirs(os.path.dirname(target), exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=".pull-", dir=os.path.dirname(target))
    try:
        archive = os.path.join(scratch, "bundle.tar.gz")
        found = _download(url, archive)
        if found != sha256:
            raise ValueError(f"the bundle arrived damaged: its sha256 is {found}, not {sha256}")
        with tarfile.open(archive) as tar:  # safe: its hash says that it is the caller's own archive
            tar.extractall(os.path.join(scratch, "bundle"))
        try:
            os.rename(os.path.join(scratch, "bundle"), target)
        except OSError:
            if not os.path.isdir(target):  # else another job was faster
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _download(url: str, path: str) -> str:
    import hashlib
    import urllib.request

    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=30) as response, open(path, "wb") as file:
        for block in iter(lambda: response.read(1 << 20), b""):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _start(bundle: str, directory: str, lock: Any, sockets: list[socket.socket]) -> int:
    descriptors = [lock.fileno()] + [sock.fileno() for sock in sockets]
    with open(os.path.join(directory, "supervisor.log"), "ab") as log:
        process = subprocess.Popen(
            [sys.executable or "python3", "-S", "-m", "node.supervisor", directory] + [str(fd) for fd in descriptors],
            cwd=bundle,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,
        )
    lock.truncate(0)
    lock.write(str(process.pid))
    lock.flush()
    return process.pid
