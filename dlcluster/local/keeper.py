"""Keeps what the cloud holds on disk: soon after a change, at the end, and back at the next start."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dlcluster.local import saved
from dlcluster.local.aws import snapshot
from dlcluster.local.aws.front import Emulator
from dlcluster.local.saved import Header, Unfit

log = logging.getLogger(__name__)
REST = 1.0  # seconds without a change before it is written
LATEST = 5.0  # seconds of changes after which it is written all the same
PATIENCE = 30.0  # seconds for which a running stack operation may hold a snapshot up
SHARE = 20  # writing takes at most one part of the time in so many
FINAL = 5.0  # seconds to wait for running stack operations at the end
LOST_DISK = "Server.InternalError: the node's directory was gone when the embedded cloud started again"


class Keeper:
    """One emulator and its file. ports: of AWS, SSH and metadata; disks: instances that had a node's directory."""

    def __init__(self, emulator: Emulator, path: Path, *, nodes: bool) -> None:
        self._emulator = emulator
        self._path = path
        self._nodes = nodes
        self._first = self._last = 0.0  # of the changes that are not written
        self._pause = 0.0
        self._changes = self._written = 0
        self._lock = threading.Lock()  # the loop and a caller who asks to save write the same file
        self.ports: list[int] = []
        self.disks: list[str] = []
        self.dropped = ""  # why what was kept is not taken up

    @property
    def unsaved(self) -> bool:
        """Whether something changed that is not on disk."""
        return self._changes != self._written

    def touch(self) -> None:
        """Something changed."""
        self._last = time.monotonic()
        if not self.unsaved:
            self._first = self._last
        self._changes += 1

    def restore(self, nodes: Path) -> None:
        """Take up what is kept. Raises Unfit, and leaves the file as it is, when this program cannot.

        A file that held nothing is put aside instead.
        """
        try:
            found = saved.read(self._path, snapshot.fingerprint(), nodes=self._nodes)
        except Unfit as unfit:
            if not unfit.empty:
                raise
            aside = self._path.with_suffix(".dropped")
            self.dropped = f"{unfit}; it is now {aside.name}"
            log.warning("starts empty: %s", self.dropped)
            self._path.replace(aside)
            return
        if found is None:
            return
        header, data = found
        try:
            snapshot.load(self._emulator, data)
        except Exception as error:
            log.exception("the snapshot cannot be read")
            raise Unfit(f"{self._path} cannot be read: {type(error).__name__}: {error}") from error
        self.ports = header.ports
        alive = {item.id for item in self._emulator.compute.instances() if item.state != "terminated"}
        for identity in alive & set(header.disks):
            if (nodes / identity).is_dir():
                self.disks.append(identity)
            else:
                self._emulator.compute.set_state(identity, "terminated", LOST_DISK)
        log.info("goes on with %d instance(s) and the stacks: %s", header.instances, ", ".join(header.stacks))

    def tick(self, disks: Sequence[str]) -> None:
        """Write when it is time to."""
        now = time.monotonic()
        due = self.unsaved and (now - self._last > REST or now - self._first > LATEST)
        if not due or now < self._pause:
            return
        try:
            self._write(disks, wait=now - self._first < PATIENCE)
        except snapshot.Busy:
            return
        except (pickle.PicklingError, TypeError, RuntimeError, AttributeError, OSError) as error:
            log.error("what the cloud holds was not written: %s", error)
        after = time.monotonic()
        self._pause = after + SHARE * (after - now)

    def save(self, disks: Sequence[str]) -> str:
        """Write now; why it cannot be, or ""."""
        deadline = time.monotonic() + FINAL
        while True:
            try:
                self._write(disks, wait=time.monotonic() < deadline)
            except snapshot.Busy:
                time.sleep(0.05)
            except (pickle.PicklingError, TypeError, RuntimeError, AttributeError, OSError) as error:
                log.exception("what the cloud holds was not written")
                return f"{type(error).__name__}: {error}"
            else:
                return ""

    def _write(self, disks: Sequence[str], *, wait: bool) -> None:
        with self._lock:
            emulator = self._emulator
            changes, begun = self._changes, time.monotonic()
            data = snapshot.dump(emulator, wait=wait)
            header = Header(
                fits=snapshot.fingerprint(),
                nodes=self._nodes,
                saved=time.time(),
                stacks=snapshot.stacks(emulator),
                instances=sum(item.state != "terminated" for item in emulator.compute.instances()),
                buckets=emulator.backend.bucket_count(),
                disks=list(disks),
                ports=self.ports,
            )
            saved.write(self._path, header, data)
            self._written, self._first = changes, begun
