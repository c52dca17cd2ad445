"""Tells over SSH what a job does on this node, as it happens, in JSON lines.

Payload: {"job", "log": file name in logs/ or None, "offset": bytes already seen}. Lines: {"status": ...} at every
change, {"log": base64, "offset": after it}, {"alive": true} now and then, and at the end {"end": "done" | "dead" |
"missing"}. With a log, that is when the node's ranks have ended and the log is told; without, when results are stored.
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

from . import files

POLL = 0.03  # seconds; a look costs two stat calls
HEARTBEAT = 5.0  # writing to a closed connection is how this program learns that nobody listens
CHUNK = 1 << 18


class Follower:
    def __init__(self, directory: str, log: str | None, offset: int) -> None:
        self.status_path = os.path.join(directory, "status.json")
        self.log_path = os.path.join(directory, "logs", log) if log else None
        self.offset = offset
        self.seen: tuple[int, int] | None = None
        self.status: dict[str, Any] = {}
        self.spoke = 0.0

    def say(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), flush=True)
        self.spoke = time.monotonic()

    def tell_status(self) -> None:
        try:
            found = os.stat(self.status_path)
        except FileNotFoundError:
            return
        if (found.st_ino, found.st_mtime_ns) != self.seen:
            self.seen = (found.st_ino, found.st_mtime_ns)
            self.status = files.read_json(self.status_path)
            self.say({"status": self.status})

    def tell_log(self) -> None:
        if self.log_path is None or not os.path.exists(self.log_path):
            return
        with open(self.log_path, "rb") as file:
            file.seek(self.offset)
            for block in iter(lambda: file.read(CHUNK), b""):
                self.offset += len(block)
                self.say({"log": base64.b64encode(block).decode(), "offset": self.offset})

    def finished(self) -> bool:
        return self.status.get("state") in (("ended", "stored") if self.log_path else ("stored",))


def main(payload: dict[str, Any]) -> int:
    job = payload["job"]
    if job not in files.jobs():
        print(json.dumps({"end": "missing"}))
        return 0
    follower = Follower(files.job_dir(job), payload.get("log"), payload.get("offset", 0))
    while True:
        alive = files.alive(job)  # before the look, so that nothing written in between is missed
        follower.tell_status()
        follower.tell_log()
        if follower.finished() or not alive:
            follower.say({"end": "done" if follower.finished() else "dead"})
            return 0
        if time.monotonic() - follower.spoke > HEARTBEAT:
            follower.say({"alive": True})
        time.sleep(POLL)
