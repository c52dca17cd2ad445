"""One verified SSH connection: run a command, stream its output, move files."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlcluster.errors import Exit, UserError

if TYPE_CHECKING:
    from paramiko import Channel, SFTPClient, Transport

OPEN_TIMEOUT = 15.0
CHUNK = 1 << 16
SIGNALLED = 255


@dataclass(frozen=True)
class Result:
    """How a command ended. exit_code: its own, or 255 when a signal ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Stream:
    """The growing stdout of a command: iterate over it, then read `exit_code` and `stderr`. `close` ends it early."""

    def __init__(self, connection: Connection, channel: Channel, stdin: bytes) -> None:
        self._connection = connection
        self._channel = channel
        self._errors: list[bytes] = []
        self._deadline: float | None = None
        # Both directions move at once: a full window of one must never block the other.
        self._reader = threading.Thread(target=self._collect_errors, daemon=True, name="ssh-stderr")
        self._reader.start()
        if stdin:
            threading.Thread(target=self._send, args=(stdin,), daemon=True, name="ssh-stdin").start()

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._receive():
            yield chunk

    @property
    def exit_code(self) -> int:
        """The command's exit code, waiting for its end. UserError NODE_LOST when the connection broke before it."""
        status = self._channel.recv_exit_status()
        if status >= 0:
            return status
        # No status: a signal ended the command, or the connection broke; then its thread is about to end.
        self._connection.transport.join(0.2)
        if self._connection.alive:
            return SIGNALLED
        raise self._connection.lost("the connection broke while a command ran")

    @property
    def stderr(self) -> bytes:
        self._reader.join()
        return b"".join(self._errors)

    def close(self) -> None:
        """Close the channel; the command gets a hang-up."""
        self._channel.close()

    def limit(self, timeout: float | None) -> None:
        """Give the rest of the stream at most `timeout` seconds; TimeoutError afterwards."""
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def _receive(self) -> bytes:
        if self._deadline is not None:
            self._channel.settimeout(max(0.001, self._deadline - time.monotonic()))
        return self._channel.recv(CHUNK)  # TimeoutError (socket.timeout) passes to the caller

    def _send(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
            self._channel.shutdown_write()
        except (OSError, EOFError):
            pass  # the command ended without reading it all, as commands may

    def _collect_errors(self) -> None:
        try:
            while chunk := self._channel.recv_stderr(CHUNK):
                self._errors.append(chunk)
        except (OSError, TimeoutError):
            pass


class Connection:
    """An authenticated connection to one node, whose host key was checked. Safe to use from several threads."""

    def __init__(self, name: str, transport: Transport) -> None:
        self.name = name
        self.transport = transport
        self._sftp: SFTPClient | None = None
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        return self.transport.is_active()

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout: float | None = None) -> Result:
        """Run a command to its end. UserError NODE_LOST when the connection breaks or `timeout` seconds pass."""
        stream = self.stream(argv, stdin=stdin)
        stream.limit(timeout)
        try:
            stdout = b"".join(stream)
            return Result(stream.exit_code, stdout, stream.stderr)
        except TimeoutError:
            raise self.lost(f"a command did not end within {timeout:.0f} s: {shlex.join(argv)}") from None
        finally:
            stream.close()

    def stream(self, argv: list[str], *, stdin: bytes = b"") -> Stream:
        """Start a command and iterate over its stdout as it comes."""
        channel = self._session()
        try:
            # An end of input that we sent could follow the channel's end when a command is short: paramiko puts the two
            # on the wire from two threads, and servers close the whole connection for it. So there is none to send.
            channel.exec_command(shlex.join(argv) + ("" if stdin else " </dev/null"))
        except (OSError, EOFError, self._ssh_error()) as error:
            raise self.lost(f"a command could not be started: {error}") from error
        return Stream(self, channel, stdin)

    def put(self, data: bytes | Path, path: str) -> None:
        """Write bytes or a local file to a path on the node (relative to the home directory)."""
        if isinstance(data, Path):
            self.sftp.put(str(data), path)
            return
        with self.sftp.open(path, "wb") as file:
            file.set_pipelined(True)
            file.write(data)

    def get(self, path: str) -> bytes:
        """Read a file of the node. FileNotFoundError when it is missing."""
        with self.sftp.open(path, "rb") as file:
            file.prefetch()
            return file.read()

    @property
    def sftp(self) -> SFTPClient:
        """The connection's SFTP client (made on first use)."""
        with self._lock:
            if self._sftp is None:
                client = self.transport.open_sftp_client()
                if client is None:
                    raise self.lost("the node offers no SFTP")
                self._sftp = client
            return self._sftp

    def lost(self, what: str) -> UserError:
        """The error that says that this node is lost."""
        return UserError(what, where=self.name, hint="see: dlcluster status", code=Exit.NODE_LOST)

    def close(self) -> None:
        self.transport.close()

    def _session(self) -> Channel:
        try:
            return self.transport.open_session(timeout=OPEN_TIMEOUT)
        except (OSError, EOFError, self._ssh_error()) as error:
            raise self.lost(f"the connection is gone: {error}") from error

    @staticmethod
    def _ssh_error() -> type[Exception]:
        from paramiko import SSHException

        return SSHException
