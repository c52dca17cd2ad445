"""One SSH session on a node: a command, a shell, sftp or scp, as OpenSSH's server would run it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import struct
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import asyncssh
from asyncssh import EXTENDED_DATA_STDERR
from asyncssh.stream import SSHServerStreamSession

from dlcluster.local.nodes.channel import drop_late_data, on_end_of_write
from dlcluster.local.nodes.pumps import Input, Output
from dlcluster.local.nodes.sftp import NodeFiles

if TYPE_CHECKING:
    from dlcluster.local.nodes.node import Node
    from dlcluster.local.nodes.zygote import Process

SFTP_VERSION = 3
SILENCE = 1.0  # seconds without output after which a finished command's channel closes though a child holds its pipes
SHELL = shutil.which("bash") or "/bin/sh"
# What the protocol has names for (RFC 4254, 6.10).
SIGNALS = ("ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2")
ACCEPTED_ENV = ("LANG", "LC_")


def is_scp_server(command: str) -> bool:
    """Whether a command is what `scp -O` of a client starts on the other side."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return words[:1] == ["scp"] and any(
        word.startswith("-") and not word.startswith("--") and set(word) & {"t", "f"} for word in words[1:]
    )


class NodeSession(SSHServerStreamSession):
    """asyncssh's session for sftp and scp; commands and shells run in a process of the node with our own pumps."""

    def __init__(
        self, node: Node, connection: asyncssh.SSHServerConnection, on_end: Callable[[NodeSession], None]
    ) -> None:
        super().__init__(None, lambda channel: NodeFiles(channel, node.layout), SFTP_VERSION, True)
        self._node = node
        self._connection = connection
        self._on_end = on_end
        self._channel: Any = None
        self._own = False
        self._terminal: int | None = None
        self._outputs: list[Output] = []
        self._input: Input | None = None
        self._process: Process | None = None
        self._early: list[str] = []  # signals that came before we knew the process: its output may be ahead of its pid
        self._closed = False

    # What the client asks for

    def connection_made(self, chan: Any) -> None:
        self._channel = chan
        drop_late_data(chan)
        on_end_of_write(chan, self._end_of_write)
        super().connection_made(chan)

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        return True

    def session_started(self) -> None:
        command = self._channel.get_command()
        if self._channel.get_subsystem() or is_scp_server(command or ""):
            super().session_started()
            return
        self._own = True
        stdio = self._open_terminal() if self._channel.get_terminal_type() else self._open_pipes()
        self._connection.create_task(self._run(command, stdio))

    # Bytes and events from the client

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if not self._own:
            super().data_received(data, datatype)
        elif self._input:
            self._input.write(data)

    def eof_received(self) -> bool:
        if not self._own:
            return bool(super().eof_received())
        if self._input and self._terminal is None:
            self._input.end()
        elif self._input:
            self._input.write(b"\x04")
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        for output in self._outputs:
            output.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        for output in self._outputs:
            output.resume()

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._terminal is not None:
            set_size(self._terminal, (width, height, pixwidth, pixheight))

    def break_received(self, msec: int) -> bool:
        return False

    def signal_received(self, signal: str) -> None:
        self._signal(signal)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: hang up. What detached itself (setsid, nohup) stays."""
        super().connection_lost(exc)
        self._closed = True
        self._on_end(self)
        self._close_stdio()
        self._signal("HUP")

    def _end_of_write(self) -> None:
        for output in self._outputs:
            output.close()

    # The process

    def _open_pipes(self) -> list[int]:
        """Pipes to and from the process; returns its three ends."""
        stdin, feed = os.pipe()
        drain, stdout = os.pipe()
        drain_errors, stderr = os.pipe()
        self._input = Input(feed, self._throttle, lambda: os.close(feed))
        self._outputs = [
            Output(drain, self._send, lambda: os.close(drain)),
            Output(
                drain_errors,
                lambda data: self._send(data, EXTENDED_DATA_STDERR),
                lambda: os.close(drain_errors),
            ),
        ]
        return [stdin, stdout, stderr]

    def _open_terminal(self) -> list[int]:
        self._terminal, slave = os.openpty()
        set_size(self._terminal, self._channel.get_terminal_size())
        self._input = Input(self._terminal, self._throttle, lambda: None)
        self._outputs = [Output(self._terminal, self._send, lambda: None)]
        return [slave, os.dup(slave), os.dup(slave)]

    async def _run(self, command: str | None, stdio: list[int]) -> None:
        try:
            self._process = await self._spawn(command, stdio)
        except OSError as error:
            self._send(f"{SHELL}: {error.strerror or error}\n".encode(), EXTENDED_DATA_STDERR)
            self._finish(126 << 8)
            return
        finally:
            for descriptor in stdio:
                os.close(descriptor)
        for name in self._early:
            self._signal(name)
        status = await self._process.wait()
        await self._drain()
        self._finish(status)

    async def _spawn(self, command: str | None, stdio: list[int]) -> Process:
        tty = self._terminal is not None
        address, port = self._channel.get_extra_info("peername")[:2]
        here, here_port = self._channel.get_extra_info("sockname")[:2]
        env = {
            **self._node.env,
            **{k: v for k, v in self._channel.get_environment().items() if k.startswith(ACCEPTED_ENV)},
            "SHELL": SHELL,
            "SSH_CLIENT": f"{address} {port} {here_port}",
            "SSH_CONNECTION": f"{address} {port} {here} {here_port}",
        }
        if tty:
            env |= {"TERM": self._channel.get_terminal_type(), "SSH_TTY": os.ttyname(stdio[0])}
        argv = [SHELL, "-c", command] if command is not None else [SHELL, "-i"] if tty else [SHELL]
        home = str(self._node.layout.home)
        return await self._node.init.spawn(argv, env=env, cwd=home, stdio=stdio, tty=tty)

    async def _drain(self) -> None:
        """Wait for the end of the outputs, or for silence: a child left behind must not hold the channel open."""
        while pending := [output.ended for output in self._outputs if not output.ended.done()]:
            before = self._received()
            await asyncio.wait(pending, timeout=SILENCE)
            if self._received() == before and not self._write_paused:
                return

    def _received(self) -> int:
        return sum(output.received for output in self._outputs)

    def _finish(self, status: int) -> None:
        self._close_stdio()
        if self._closed:
            return
        if os.WIFSIGNALED(status):
            self._channel.exit_with_signal(signal_name(os.WTERMSIG(status)), os.WCOREDUMP(status))
        else:
            self._channel.exit(os.WEXITSTATUS(status))

    def _close_stdio(self) -> None:
        for output in self._outputs:
            output.close()
        if self._input:
            self._input.close()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def _send(self, data: bytes, datatype: int | None = None) -> None:
        with contextlib.suppress(OSError):  # the client has closed the channel
            self._channel.write(data, datatype)

    def _throttle(self, full: bool) -> None:
        if full:
            self._channel.pause_reading()
        elif not self._closed:
            self._channel.resume_reading()

    def _signal(self, name: str) -> None:
        number = getattr(signal, f"SIG{name}", None)
        if self._process is None:
            self._early.append(name)
        elif number:
            self._process.send_signal(number)


def signal_name(number: int) -> str:
    """As OpenSSH's server sends it: the protocol knows these signals only."""
    name = signal.Signals(number).name.removeprefix("SIG") if number in set(signal.Signals) else ""
    return name if name in SIGNALS else "SIG@openssh.com"


def set_size(terminal: int, size: tuple[int, int, int, int]) -> None:
    """Give a terminal its (columns, rows, pixels across, pixels down)."""
    columns, rows, across, down = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, across, down))
