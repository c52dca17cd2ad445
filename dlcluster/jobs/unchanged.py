"""Whether a bundle's files are those of the last job: then it need not be packed again to know its name.

As git's index does it: by the name, size, mode and times of every file. A file that was changed in the second before
the look could change once more without a new time, so such a look is not remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from dlcluster.jobs.bundle import LEVEL, Bundle

RECENT = 1_000_000_000  # nanoseconds


@dataclass(frozen=True)
class Look:
    """The files of a bundle at one moment. digest: '' when they are too fresh to be told apart later."""

    digest: str

    def recall(self, memory: Path) -> Bundle | None:
        """The bundle that was made of these very files, without an archive; None when it is not known."""
        try:
            known = json.loads(memory.read_text())
            same = bool(self.digest) and known["look"] == self.digest
            return Bundle(None, str(known["sha256"]), int(known["size"]), int(known["files"])) if same else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, memory: Path, bundle: Bundle) -> None:
        """Remember the bundle; without harm when that fails, as the next job then packs again."""
        if not self.digest:
            return
        fields = {"look": self.digest, "sha256": bundle.sha256, "size": bundle.size, "files": bundle.files}
        scratch = memory.with_name(f".{memory.name}.{os.getpid()}")
        try:
            scratch.write_text(json.dumps(fields))
            scratch.replace(memory)
        except OSError:
            scratch.unlink(missing_ok=True)


def look(contents: list[tuple[str, Path]]) -> Look:
    """What can be seen of the files without reading them."""
    digest, newest = hashlib.sha256(f"{LEVEL}\n".encode()), 0
    for name, path in contents:
        try:
            seen = path.lstat()
        except OSError:  # gone since it was listed: who packs it will say so
            return Look("")
        newest = max(newest, seen.st_ctime_ns, seen.st_mtime_ns)
        times = (seen.st_mtime_ns, seen.st_ctime_ns)
        line = "\0".join(map(str, (name, path, seen.st_mode, seen.st_size, seen.st_ino, *times)))
        digest.update(line.encode(errors="surrogateescape") + b"\n")
    return Look(digest.hexdigest() if newest < time.time_ns() - RECENT else "")
