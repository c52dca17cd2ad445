"""Connections to the nodes of a cluster: each node must show the host key that it published, before we authenticate."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from dlcluster.errors import Exit, UserError
from dlcluster.remote.channel import Connection, Result, Stream
from dlcluster.remote.keys import KeyPair

if TYPE_CHECKING:
    from paramiko import Channel, Ed25519Key, Transport

__all__ = ["Connection", "Gateway", "Result", "Stream", "Target", "fingerprint"]

CONNECT_TIMEOUT = 10.0  # seconds for each step: TCP, key exchange, authentication
KEEPALIVE = 5
DEAD_AFTER_MS = 20_000


@dataclass(frozen=True)
class Target:
    """A node to connect to. host_key: the line it published, `ssh-ed25519 AAAA...`; None when it has not yet."""

    name: str
    host: str
    port: int
    host_key: str | None
    user: str = "ubuntu"


class Gateway:
    """The way into a cluster: the head directly, every other node through the head. Use it as a context manager.

    Connections are cached by node and shared by all threads; leaving the context closes them.
    """

    def __init__(self, head: Target, key: KeyPair) -> None:
        self.head = head
        self._key_pair = key
        self._key: Ed25519Key | None = None
        self._connections: dict[str, Connection] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def connect(self, target: Target | None = None) -> Connection:
        """A verified connection to a node (default: the head), made now or earlier.

        UserError NODE_LOST: no answer. UNTRUSTED: another host key than the published one. DENIED: our key is refused.
        """
        target = target or self.head
        with self._lock:
            lock = self._locks.setdefault(target.name, threading.Lock())
        with lock:  # one handshake per node, while other nodes go on in parallel
            cached = self._connections.get(target.name)
            if cached and cached.alive:
                return cached
            connection = self._open(target)
            self._connections[target.name] = connection
            return connection

    def close(self) -> None:
        """Close all connections, the head's last: the others run through it."""
        for name, connection in sorted(self._connections.items(), key=lambda item: item[0] == self.head.name):
            connection.close()
            del self._connections[name]

    def _open(self, target: Target) -> Connection:
        if not target.host_key:
            raise UserError(
                "the node has not published its host key yet",
                where=target.name,
                hint="it may still be booting: dlcluster status",
                code=Exit.NODE_LOST,
            )
        sock = _dial(target) if target == self.head else self._tunnel(target)
        transport = _handshake(target, sock)
        try:
            _verify(target, transport)
            self._authenticate(target, transport)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(KEEPALIVE)
        return Connection(target.name, transport)

    def _tunnel(self, target: Target) -> Channel:
        from paramiko import SSHException

        head = self.connect()
        try:
            address, origin = (target.host, target.port), ("127.0.0.1", 0)
            return head.transport.open_channel("direct-tcpip", address, origin, timeout=CONNECT_TIMEOUT)
        except (OSError, EOFError, SSHException) as error:
            raise _unreachable(target, f"the head cannot reach {target.host}:{target.port}: {error}") from error

    def _authenticate(self, target: Target, transport: Transport) -> None:
        from paramiko import AuthenticationException, SSHException

        transport.auth_timeout = CONNECT_TIMEOUT
        try:
            transport.auth_publickey(target.user, self._private_key())
        except AuthenticationException as error:
            raise UserError(
                f"the node refuses this machine's key for user {target.user}: {error}",
                where=target.name,
                hint=f"is {self._key_pair.path} the key that the cluster was made with?",
                code=Exit.DENIED,
            ) from error
        except (OSError, EOFError, SSHException) as error:
            raise _unreachable(target, f"the connection broke while logging in: {error}") from error

    def _private_key(self) -> Ed25519Key:
        from paramiko import Ed25519Key

        with self._lock:
            if self._key is None:
                self._key = Ed25519Key.from_private_key_file(str(self._key_pair.path))
            return self._key


def fingerprint(key: bytes) -> str:
    """The SHA256 fingerprint of a public key blob, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _dial(target: Target) -> socket.socket:
    try:
        sock = socket.create_connection((target.host, target.port), timeout=CONNECT_TIMEOUT)
    except OSError as error:
        raise _unreachable(target, f"no SSH answer from {target.host}:{target.port}: {error}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # a vanished host is noticed by its unanswered keepalives
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
    return sock


def _handshake(target: Target, sock: socket.socket | Channel) -> Transport:
    import paramiko

    transport = paramiko.Transport(sock)
    transport.banner_timeout = transport.handshake_timeout = CONNECT_TIMEOUT
    options = transport.get_security_options()
    options.key_types = ("ssh-ed25519",)
    # The classic curve first: half the round-trip's work of the hybrid exchange, on every node.
    preferred = [name for name in options.kex if name.startswith("curve25519")]
    options.kex = (*preferred, *[name for name in options.kex if name not in preferred])
    try:
        transport.start_client(timeout=CONNECT_TIMEOUT)
    except (OSError, EOFError, paramiko.SSHException) as error:
        transport.close()
        raise _unreachable(target, f"the SSH handshake failed: {error or type(error).__name__}") from error
    return transport


def _verify(target: Target, transport: Transport) -> None:
    expected = base64.b64decode((target.host_key or "").split()[1])
    offered = transport.get_remote_server_key().asbytes()
    if offered != expected:
        raise UserError(
            f"the node at {target.host}:{target.port} shows another host key than the one it published: "
            f"expected {fingerprint(expected)}, got {fingerprint(offered)}; nothing was sent to it",
            where=target.name,
            hint="someone may sit in between, or the node's key was changed by hand; if you cannot explain it, "
            "replace the node (dlcluster down, then dlcluster up)",
            code=Exit.UNTRUSTED,
        )


def _unreachable(target: Target, what: str) -> UserError:
    return UserError(what, where=target.name, hint="see: dlcluster status", code=Exit.NODE_LOST)
