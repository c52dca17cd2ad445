"""A node's directory: what stands for its file system, and the environment of its processes."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

USER = "ubuntu"
CONSOLE_BYTES = 65536  # what GetConsoleOutput keeps
BASHRC = """PS1='{user}@{host}:\\w\\$ '
"""


@dataclass(frozen=True)
class Layout:
    """Where things are below one node's directory; root stands for `/`."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def home(self) -> Path:
        return self.root / "home" / USER

    @property
    def host_key(self) -> Path:
        return self.root / "etc/ssh/ssh_host_ed25519_key"

    @property
    def user_data(self) -> Path:
        return self.root / "var/lib/cloud/instance/user-data"

    @property
    def boot_log(self) -> Path:
        return self.root / "var/log/cloud-init-output.log"

    def create(self, address: str) -> None:
        """Make what is missing: a stopped node keeps its files, its host key among them."""
        import asyncssh

        for folder in (self.home, self.root / "tmp", self.host_key.parent):
            folder.mkdir(parents=True, exist_ok=True)
        for file in (self.user_data, self.boot_log):
            file.parent.mkdir(parents=True, exist_ok=True)
        host = host_name(address)
        (self.root / "etc/hostname").write_text(f"{host}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{address} {host}\n")
        if not (bashrc := self.home / ".bashrc").exists():
            bashrc.write_text(BASHRC.format(user=USER, host=host))
        if not self.host_key.exists():
            key = asyncssh.generate_private_key("ssh-ed25519", comment=f"root@{host}")
            key.write_private_key(self.host_key)
            key.write_public_key(self.host_key.with_suffix(".pub"))
            self.host_key.chmod(0o600)

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def console(self) -> str:
        """The end of the boot log."""
        try:
            with self.boot_log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - CONSOLE_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def env(self, *, endpoint: str, metadata: str) -> dict[str, str]:
        """Environment of every process on the node; nothing of the user's own is in it.

        endpoint: URL of the emulated AWS; metadata: URL of this node's metadata service.
        """
        return {
            "HOME": str(self.home),
            "USER": USER,
            "LOGNAME": USER,
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "NODE_ROOT": str(self.root),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata,
            "DLCLUSTER_PYTHON": sys.executable,
            "OMP_NUM_THREADS": "1",
        }


def host_name(address: str) -> str:
    """EC2's name for a private address: 10.0.1.2 is ip-10-0-1-2."""
    return "ip-" + address.replace(".", "-")
