"""A TCP connection that a client opens through a node (`ssh -L`, `ssh -J`)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import asyncssh

from dlcluster.local.nodes.channel import drop_late_data
from dlcluster.local.nodes.pumps import Input, Output


class Forward(asyncssh.SSHTCPSession):
    """Bytes between a channel and a connected socket, each direction ended for itself."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._channel: Any = None
        self._output: Output
        self._input: Input

    @classmethod
    async def connect(cls, host: str, port: int) -> Forward:
        """Connect from this machine. Raises asyncssh.ChannelOpenError with the system's reason."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
        except OSError as error:
            connection.close()
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.strerror or str(error)) from error
        return cls(connection)

    def connection_made(self, chan: Any) -> None:
        self._channel = chan
        drop_late_data(chan)

    def session_started(self) -> None:
        descriptor = self._socket.fileno()
        self._input = Input(descriptor, self._throttle, self._shut_down)
        self._output = Output(descriptor, self._send, self._send_eof)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._input.write(data)

    def eof_received(self) -> bool:
        self._input.end()
        return True

    def pause_writing(self) -> None:
        self._output.pause()

    def resume_writing(self) -> None:
        self._output.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._output.close()
        self._input.close()
        self._socket.close()

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the client has closed the channel
            self._channel.write(data)

    def _send_eof(self) -> None:
        with contextlib.suppress(OSError):
            self._channel.write_eof()
        self._close_if_done()

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._input.closed and self._output.ended.done():
            self._channel.close()

    def _throttle(self, full: bool) -> None:
        if full:
            self._channel.pause_reading()
        else:
            self._channel.resume_reading()
