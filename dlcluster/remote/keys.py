"""The cluster's SSH key pair: ed25519, made here, never leaves this machine."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dlcluster.errors import Exit, UserError

NAME = "id_ed25519"


@dataclass(frozen=True)
class KeyPair:
    """A private key file (OpenSSH format, mode 0600) and its public line `ssh-ed25519 AAAA... dlcluster`."""

    path: Path
    public_key: str


def ensure_key(directory: Path) -> KeyPair:
    """The key of a directory, made when missing. Two callers at once get the same key."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / NAME
    if not path.exists():
        _create(path)
    return _load(path)


def load_key(directory: Path) -> KeyPair | None:
    """The key of a directory, None when there is none. UserError DENIED when others can read it or it is broken."""
    path = directory / NAME
    return _load(path) if path.exists() else None


def _create(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    data = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.link(temporary, path)  # unlike rename, never replaces the key that another process has just made
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)


def _load(path: Path) -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise UserError(
            f"the private key can be read by others (mode {mode:04o})",
            where=str(path),
            hint=f"chmod 600 {path}",
            code=Exit.DENIED,
        )
    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise UserError(f"not a usable private key: {error}", where=str(path), code=Exit.DENIED) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError("not an ed25519 key", where=str(path), code=Exit.DENIED)
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return KeyPair(path, f"{line} dlcluster")
