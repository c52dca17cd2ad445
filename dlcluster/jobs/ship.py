"""Brings a bundle into the cluster's bucket, when a node needs it from there."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import bundle as bundles
from dlcluster.jobs import unchanged
from dlcluster.jobs.bundle import Bundle
from dlcluster.jobs.cluster import Cluster

Progress = Callable[[str], None]


class Code:
    """The bundle of a directory and how nodes get it. Safe to use from several threads.

    One that is known from an earlier job is neither packed nor looked for in the bucket: the nodes will have it, and
    one that has not says so. url: where it is in the bucket, None as long as nobody has asked.
    """

    def __init__(self, cluster: Cluster, root: Path, script: str, progress: Progress) -> None:
        self._store, self._root, self._progress = cluster.store, root, progress
        self._lock = threading.Lock()
        self._memory = cluster.key.path.with_name("bundle.json")
        self._contents = bundles.contents(root, script)
        self._look = unchanged.look(self._contents)
        self.url: str | None = None
        known = self._look.recall(self._memory)
        self.bundle = known or self._shipped()
        if known:
            progress(f"code unchanged ({_size(known)})")

    def wanted(self) -> str:
        """The bundle's address in the bucket; it is there when this returns. UserError when the files have changed."""
        with self._lock:
            if self.url is None and self._store.exists(self.bundle.key):
                self.url = self._store.url(self.bundle.key)
            elif self.url is None and self._shipped().sha256 != self.bundle.sha256:
                raise UserError(
                    "the code was changed while the job started",
                    where=str(self._root),
                    hint="start it again",
                    code=Exit.UNAVAILABLE,
                )
            assert self.url
            return self.url

    def _shipped(self) -> Bundle:
        """The files as they are now, packed and in the bucket."""
        with tempfile.TemporaryDirectory(prefix="dlcluster-") as scratch:
            bundle = bundles.pack(self._root, Path(scratch), self._contents)
            if self._store.exists(bundle.key):
                self._progress(f"code unchanged ({_size(bundle)})")
            else:
                self._progress(f"uploading the code ({_size(bundle)})")
                assert bundle.path
                self._store.put(bundle.key, bundle.path)
        self._look.keep(self._memory, bundle)
        self.url = self._store.url(bundle.key)
        return bundle


def _size(bundle: Bundle) -> str:
    return f"{bundle.files} files, {bundle.size / 1e6:.1f} MB"
