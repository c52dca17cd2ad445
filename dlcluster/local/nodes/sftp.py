"""Files of a node over sftp and scp, with the paths that a real node would show."""

from __future__ import annotations

import posixpath
from typing import Any

import asyncssh

from dlcluster.local.nodes.layout import Layout


class NodeFiles(asyncssh.SFTPServer):
    """Relative paths start in the login user's home; absolute ones are the node's, its root directory standing for /.

    A path that a command on the node printed already begins with that directory and is taken as it is.
    """

    def __init__(self, channel: Any, layout: Layout) -> None:
        super().__init__(channel)
        self._root = posixpath.realpath(bytes(layout.root))
        self._home = b"/" + bytes(layout.home.relative_to(layout.root))

    def map_path(self, path: bytes) -> bytes:
        path = posixpath.normpath(posixpath.join(self._home, path))
        return path if self._inside(path) else posixpath.normpath(self._root + path)

    def reverse_map_path(self, path: bytes) -> bytes:
        return path[len(self._root) :] or b"/" if self._inside(path) else path

    def exit(self) -> None:
        """End with status 0, as sftp-server does: without one OpenSSH's scp and sftp report a failure."""
        self.channel.exit(0)

    def _inside(self, path: bytes) -> bool:
        return path == self._root or path.startswith(self._root + b"/")
