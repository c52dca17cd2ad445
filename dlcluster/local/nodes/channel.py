"""Where asyncssh is stricter with a client than OpenSSH's server, a whole connection would be lost over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MSG_CHANNEL_DATA = 94  # RFC 4254
MSG_CHANNEL_EXTENDED_DATA = 95
MSG_CHANNEL_EOF = 96


class Channels(dict[int, Any]):
    """A connection's channels by number; packets for one that has gone are dropped.

    Clients with threads send them: paramiko, when one thread closes a forwarded connection in which another one writes.
    asyncssh calls it a protocol error and drops every channel of the connection.
    """

    def __missing__(self, number: int) -> Gone:
        return Gone()


class Gone:
    """Takes the packets of a channel that is no more."""

    def log_received_packet(self, *_: Any) -> None:
        pass

    def process_packet(self, *_: Any) -> bool:
        return True


def drop_late_data(channel: Any) -> None:
    """The same for a channel that the client has ended and asyncssh still knows."""
    process: Callable[[int, int, Any], Any] = channel.process_packet

    def process_packet(kind: int, sequence: int, packet: Any) -> Any:
        late = channel._recv_state != "open"
        if late and kind in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA, MSG_CHANNEL_EOF):
            return True
        return process(kind, sequence, packet)

    channel.process_packet = process_packet


def on_end_of_write(channel: Any, ended: Callable[[], None]) -> None:
    """Call `ended` when nobody reads the client's output any more, as in `ssh node yes | head -1`.

    OpenSSH's client sends eow@openssh.com then, which asyncssh does not know, and the command would run for ever.
    """

    def process(_: Any) -> bool:
        ended()
        return True

    channel._process_eow_at_openssh_dot_com_request = process
