"""One emulated node: power on, run its user data as cloud-init would, power off."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import asyncssh

from dlcluster.local.nodes import ssh
from dlcluster.local.nodes.documents import documents
from dlcluster.local.nodes.imds import MetadataServer
from dlcluster.local.nodes.layout import Layout
from dlcluster.local.nodes.zygote import Init, Zygote

log = logging.getLogger(__name__)
CONSOLE_SECONDS = 1.0  # how often the console output follows a running boot script


class Compute(Protocol):
    """What nodes use of the emulator's compute service."""

    def instances(self) -> list[Any]: ...
    def set_state(self, instance_id: str, state: str, reason: str = "") -> None: ...
    def set_console_output(self, instance_id: str, text: str) -> None: ...
    def credentials(self, instance_id: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Site:
    """What all nodes of a daemon share."""

    zygote: Zygote
    compute: Compute
    endpoint: str
    account_id: str
    ssh_port: int
    imds_port: int


class Node:
    """A node of an instance, at the instance's private address. `on_death` is called if its init dies by itself."""

    def __init__(self, site: Site, instance: Any, layout: Layout, on_death: Callable[[], None]) -> None:
        self.instance = instance
        self.layout = layout
        self.connections: set[Any] = set()
        self.authorized_key = self._import_key(instance.key_material)
        self.env = layout.env(endpoint=site.endpoint, metadata=f"http://{instance.private_ip}:{site.imds_port}")
        self.init: Init
        self._site = site
        self._on_death = on_death
        self._stopping = False
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._elastic: asyncssh.SSHAcceptor | None = None  # at an elastic address
        self._metadata = MetadataServer(self._documents, lambda: self.instance.options)
        self._boot: asyncio.Task[None] | None = None

    async def start(self, *, run_user_data: bool = True) -> None:
        """Power on: when this returns the node answers on SSH and its user data has begun to run.

        run_user_data: False when a stopped instance starts again. Raises OSError when its address cannot be bound.
        """
        address = self.instance.private_ip
        self.layout.create(address)
        self.init = await self._site.zygote.boot()
        try:
            await self._metadata.listen(address, self._site.imds_port)
            self._acceptor = await ssh.listen(self, address, self._site.ssh_port)
            await self.readdress(self.instance)
        except OSError:
            await self.stop()
            raise
        self.init.died.add_done_callback(self._died)
        if run_user_data and self.instance.user_data:
            self._boot = asyncio.create_task(self._run_user_data())

    async def readdress(self, instance: Any) -> None:
        """Answer at the public address that the instance has now, beside the private one."""
        self.instance = instance
        if self._elastic:
            self._elastic.close()
            self._elastic = None
        if instance.public_ip in (None, instance.private_ip):
            return
        try:
            self._elastic = await ssh.listen(self, instance.public_ip, self._site.ssh_port)
        except OSError as error:
            log.warning("%s cannot be reached at %s: %s", instance.id, instance.public_ip, error)

    async def stop(self) -> None:
        """Power off: connections drop, every process is killed; the files stay."""
        self._stopping = True
        for acceptor in (self._acceptor, self._elastic):
            if acceptor:
                acceptor.close()
        await self._metadata.close()
        for connection in list(self.connections):
            connection.abort()
        await self.init.kill()
        if self._boot:
            await self._boot

    def _died(self, _: object) -> None:
        if not self._stopping:
            self._on_death()

    def _documents(self) -> dict[str, Any]:
        return documents(
            self.instance,
            account_id=self._site.account_id,
            credentials=lambda: self._site.compute.credentials(self.instance.id),
        )

    async def _run_user_data(self) -> None:
        """Run the user data once; its output is the boot log and the instance's console output."""
        with self.layout.boot_log.open("ab", buffering=0) as output:
            try:
                status = await self._user_data_status(output.fileno())
            except (OSError, EOFError, zlib.error) as error:
                output.write(f"cloud-init: the user data cannot be run: {error}\n".encode())
            else:
                if status:
                    output.write(f"cloud-init: the user data ended with {describe(status)}\n".encode())
        await self._publish_console()

    async def _user_data_status(self, output: int) -> int:
        script = unpack(self.instance.user_data)
        if not script.startswith(b"#!"):
            raise OSError("only scripts that begin with #! are run on the embedded cloud")
        self.layout.user_data.write_bytes(script)
        self.layout.user_data.chmod(0o700)
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            process = await self.init.spawn(
                [str(self.layout.user_data)], env=self.env, cwd="/", stdio=[nothing, output, output]
            )
        finally:
            os.close(nothing)
        ended = asyncio.ensure_future(process.wait())
        while not (await asyncio.wait([ended], timeout=CONSOLE_SECONDS))[0]:
            await self._publish_console()
        return ended.result()

    async def _publish_console(self) -> None:
        text = await asyncio.to_thread(self.layout.console)
        await asyncio.to_thread(self._site.compute.set_console_output, self.instance.id, text)

    @staticmethod
    def _import_key(line: str | None) -> Any:
        if not line:
            return None
        try:
            return asyncssh.import_public_key(line)
        except asyncssh.KeyImportError as error:
            log.warning("key pair is not usable, nobody can log in: %s", error)
            return None


def unpack(user_data: bytes) -> bytes:
    """User data as cloud-init reads it: gzip is allowed."""
    return gzip.decompress(user_data) if user_data.startswith(b"\x1f\x8b") else user_data


def describe(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit code {os.WEXITSTATUS(status)}"
