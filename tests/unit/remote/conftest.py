"""A real SSH server in this process: commands run here, other nodes are reached through it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from dlcluster.remote.keys import KeyPair, ensure_key
from dlcluster.remote.ssh import Target


@dataclass
class Server:
    """host_key: the line it really has. logins: users that tried to authenticate."""

    port: int
    host_key: str
    logins: list[str]

    def target(self, name: str = "head", **changes: object) -> Target:
        fields = {"name": name, "host": "127.0.0.1", "port": self.port, "host_key": self.host_key, **changes}
        return Target(**fields)  # type: ignore[arg-type]


class _Policy(asyncssh.SSHServer):
    def __init__(self, logins: list[str]) -> None:
        self.logins = logins

    def begin_auth(self, username: str) -> bool:
        self.logins.append(username)
        return True

    def connection_requested(self, host: str, port: int, origin: str, origin_port: int) -> bool:
        return True


async def _run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    pipe = asyncio.subprocess.PIPE
    # `exec`: a signal then ends the command itself, not a shell around it.
    child = await asyncio.create_subprocess_shell(
        "exec " + (process.command or "true"), stdin=pipe, stdout=pipe, stderr=pipe
    )

    async def copy(reader: asyncio.StreamReader, writer: asyncssh.SSHWriter[bytes]) -> None:
        try:
            while chunk := await reader.read(1 << 15):
                writer.write(chunk)
                await writer.drain()
        except (OSError, asyncssh.Error):  # the client has closed this channel; its other channels go on
            child.kill()

    async def feed() -> None:
        try:
            while chunk := await process.stdin.read(1 << 15):
                child.stdin.write(chunk)
                await child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass
        child.stdin.close()

    feeding = asyncio.ensure_future(feed())
    await asyncio.gather(copy(child.stdout, process.stdout), copy(child.stderr, process.stderr))
    code = await child.wait()
    feeding.cancel()
    if code < 0:
        process.close()  # as sshd for a command that a signal ended: no exit status
    else:
        process.exit(code)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return ensure_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="session")
def server(key: KeyPair) -> Iterator[Server]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    own = asyncssh.generate_private_key("ssh-ed25519")
    logins: list[str] = []

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[own],
            server_factory=lambda: _Policy(logins),
            authorized_client_keys=asyncssh.import_authorized_keys(key.public_key),
            process_factory=_run,
            sftp_factory=True,
            encoding=None,
        )

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    host_key = " ".join(own.export_public_key().decode().split()[:2])
    yield Server(acceptor.get_port(), host_key, logins)
    loop.call_soon_threadsafe(acceptor.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


@pytest.fixture
def other_key(tmp_path: Path) -> KeyPair:
    return ensure_key(tmp_path / "other")
