"""The SSH server of a node: the instance's key pair and nothing else opens it."""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING, Any

import asyncssh

from dlcluster.local.nodes.channel import Channels
from dlcluster.local.nodes.forward import Forward
from dlcluster.local.nodes.layout import USER
from dlcluster.local.nodes.session import NodeSession

if TYPE_CHECKING:
    from dlcluster.local.nodes.node import Node

log = logging.getLogger(__name__)
MAX_SESSIONS = 10  # OpenSSH's default: what opens more at once over one connection fails on AWS
VERSION = "OpenSSH_9.6 dlcluster"  # OpenSSH's client sends end-of-write only to its own kind


class NodeServer(asyncssh.SSHServer):
    """Login and forwarding rules of one connection."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._connection: Any = None
        self._sessions: set[NodeSession] = set()

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        conn._channels = Channels()
        self._node.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.connections.discard(self._connection)
        if exc is not None and not isinstance(exc, (asyncssh.ConnectionLost, ConnectionError)):
            log.warning("%s: an SSH connection ended: %s", self._node.instance.private_ip, exc)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        allowed = self._node.authorized_key
        return username == USER and allowed is not None and key.public_data == allowed.public_data

    def session_requested(self) -> NodeSession | bool:
        if len(self._sessions) >= MAX_SESSIONS:
            return False
        session = NodeSession(self._node, self._connection, on_end=self._sessions.discard)
        self._sessions.add(session)
        return session

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """Forward to emulated nodes and the loopback range only: a node is no way out to the network."""
        return Forward.connect(dest_host, dest_port) if is_reachable(dest_host) else False


def is_reachable(host: str) -> bool:
    """Whether a node may connect there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def listen(node: Node, address: str, port: int) -> asyncssh.SSHAcceptor:
    """Serve SSH for a node. Raises OSError when the address cannot be bound."""
    return await asyncssh.listen(
        address,
        port,
        server_factory=lambda: NodeServer(node),
        server_host_keys=[str(node.layout.host_key)],
        server_version=VERSION,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        reuse_address=True,
    )
