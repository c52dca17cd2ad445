"""The daemon's directory: where it is, which daemon runs in it, and which one died in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from dlcluster.errors import UserError

PING = "/_dlcluster/ping"
STATUS = "/_dlcluster/status"
SAVE = "/_dlcluster/save"
ANSWER_SECONDS = 10.0  # how long a busy daemon may take to answer


@dataclass(frozen=True)
class Daemon:
    """A running daemon. started: seconds since the epoch; identity: random, what it answers to a ping."""

    pid: int
    endpoint: str
    ssh_port: int
    started: float
    home: Path
    identity: str = ""

    def ask(self, path: str) -> dict[str, Any]:
        """GET a JSON document of the daemon. Raises OSError when nobody, or somebody else, answers."""
        connection = HTTPConnection(self.endpoint.removeprefix("http://"), timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (HTTPException, ValueError) as error:
            raise OSError(f"no daemon of ours at {self.endpoint}: {error}") from error
        finally:
            connection.close()
        if not isinstance(answer, dict) or answer.get("identity") != self.identity:
            raise OSError(f"another daemon at {self.endpoint}")
        return answer


@dataclass(frozen=True)
class Crash:
    """A daemon that ended without saying goodbye. last_seen: seconds since the epoch."""

    daemon: Daemon
    last_seen: float


@dataclass(frozen=True)
class Home:
    """Paths below the directory of one daemon; all of it is the user's alone (0700)."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "daemon.log"

    @property
    def nodes(self) -> Path:
        return self.path / "nodes"

    @property
    def snapshot(self) -> Path:
        return self.path / "cloud.snapshot"

    @property
    def _record(self) -> Path:
        return self.path / "daemon.json"

    @property
    def _crash(self) -> Path:
        return self.path / "crashed.json"

    @property
    def _lock(self) -> Path:
        return self.path / "lock"

    def create(self) -> None:
        """Make the directory. UserError when that cannot be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise UserError(
                f"cannot make the directory of the embedded cloud: {error.strerror}",
                where=str(self.path),
                hint="DLCLUSTER_LOCAL_HOME names another one",
            ) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the home: one daemon at a time, and proof to others that it lives. Raises BlockingIOError."""
        with self._lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def is_held(self) -> bool:
        """Whether a daemon lives (starting and stopping included); the kernel knows, even after kill -9."""
        try:
            with self._lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def read(self) -> Daemon | None:
        """The daemon that announced itself last, dead or alive."""
        return self._load(self._record)

    def announce(self, daemon: Daemon) -> None:
        """Tell clients, in one step and readable by the user alone."""
        new = self._record.with_suffix(f".{daemon.pid}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({**vars(daemon), "home": str(daemon.home)}, file, indent=2)
        new.replace(self._record)

    def beat(self) -> None:
        """Leave a sign of life, so that after a crash the time of death is known to a second."""
        os.utime(self._record)

    def retire(self) -> None:
        """A clean end."""
        self._record.unlink(missing_ok=True)
        self._crash.unlink(missing_ok=True)

    def bury(self) -> None:
        """Put the record of a dead daemon aside. Call while holding the home."""
        if self._record.exists():
            self._record.replace(self._crash)

    def forget(self) -> None:
        """Drop what is kept of the last daemon. Call while none runs."""
        for path in (self.snapshot, self.snapshot.with_suffix(".dropped")):
            path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        self._crash.unlink(missing_ok=True)
        shutil.rmtree(self.nodes, ignore_errors=True)

    def crash(self) -> Crash | None:
        """The daemon that died here last, unless one has ended well since."""
        path = self._crash if self.is_held() or not self._record.exists() else self._record
        daemon = self._load(path)
        return Crash(daemon, path.stat().st_mtime) if daemon else None

    def log_tail(self, lines: int = 8) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    @staticmethod
    def _load(path: Path) -> Daemon | None:
        try:
            fields = json.loads(path.read_text())
            return Daemon(**{**fields, "home": Path(fields["home"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def home_dir() -> Path:
    """$DLCLUSTER_LOCAL_HOME, else dlcluster/local below $XDG_CACHE_HOME, else below ~/.cache."""
    if own := os.environ.get("DLCLUSTER_LOCAL_HOME"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "dlcluster/local"
