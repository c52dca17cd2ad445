"""What this machine remembers of a cluster: its SSH key, its configuration, and when it was removed.

The truth about a cluster is in the cloud; this directory can be lost without losing track of anything that costs money.
Layout: `$XDG_DATA_HOME/dlcluster/clusters/<name>/` (default `~/.local/share`) with `cluster.json`, `id_ed25519`, and
the files written for the OpenSSH client. Directories are 0700.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dlcluster.config import ClusterConfig
from dlcluster.errors import UserError


def data_home() -> Path:
    """Where records of clusters are kept."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "dlcluster" / "clusters"


@dataclass(frozen=True)
class Record:
    """The memory of one cluster on this machine."""

    name: str

    @property
    def directory(self) -> Path:
        return data_home() / self.name

    @property
    def _file(self) -> Path:
        return self.directory / "cluster.json"

    def read(self) -> dict[str, object]:
        """The stored fields: config, created, removed (an ISO time once `down` has ended). Empty when unknown."""
        try:
            fields = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return fields if isinstance(fields, dict) else {}

    def config(self) -> ClusterConfig | None:
        """The configuration of the last `up`, if this machine made one. UserError when it cannot be understood."""
        stored = self.read().get("config")
        try:
            # The JSON road of pydantic: strict models take a tuple from a JSON array, not from a Python list.
            return ClusterConfig.model_validate_json(json.dumps(stored)) if stored else None
        except ValueError:
            raise UserError(
                f"what this machine remembers of the cluster {self.name} is of another version of dlcluster",
                where=str(self._file),
                hint="give the cluster file with -f, or remove that file: the cluster itself is in the cloud",
            ) from None

    @property
    def removed(self) -> str:
        """When `down` removed it (ISO time), '' if it did not."""
        return str(self.read().get("removed") or "")

    def save(self, config: ClusterConfig) -> None:
        """Remember that `up` works on this configuration."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write({"config": config.model_dump(mode="json"), "created": _now()})

    def add(self, **fields: str) -> None:
        """Remember facts about the cluster that is up now: stack (its id), bucket (its name)."""
        self._write({**self.read(), **fields})

    def bury(self) -> None:
        """Forget keys and files; keep one line that says when the cluster was removed first."""
        if not self.directory.exists():
            return
        fields = self.read()
        for entry in self.directory.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._write({**fields, "removed": fields.get("removed") or _now()})

    def forget(self) -> None:
        """Remove the record whole: nothing of the cluster ever came to be."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write(self, fields: dict[str, object]) -> None:
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(fields, indent=1) + "\n")
        temporary.replace(self._file)


def known() -> list[Record]:
    """Every cluster this machine has a record of, removed ones included."""
    home = data_home()
    return [Record(path.name) for path in sorted(home.iterdir()) if path.is_dir()] if home.is_dir() else []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
