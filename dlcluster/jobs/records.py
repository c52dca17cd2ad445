"""The record of every job in the cluster's bucket: what was asked, and how it ended. It outlives nodes and clients.

`jobs/<id>/job.json` is written at submission, `jobs/<id>/nodes/<node>.json` by each node at its end; the head's comes
last and holds the outcome of the whole job.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from dlcluster.errors import Exit, UserError
from dlcluster.remote.fanout import fan_out

if TYPE_CHECKING:
    from dlcluster.cloud.store import Store


@dataclass(frozen=True)
class Job:
    """What was asked for. script and args as on the command line; created: ISO, UTC.

    nodes and instances: name to private address and to instance id, as they were then.
    limits: seconds for `join`, `grace`, `patience`, `storing` (docs/jobs.md), where the defaults do not fit.
    """

    id: str
    cluster: str
    script: str
    args: list[str]
    nodes: dict[str, str]
    created: str
    instances: dict[str, str] = field(default_factory=dict)
    bundle: str = ""
    bucket: str = ""
    python: str | None = None
    processes: int | None = None
    max_restarts: int = 0
    env: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Its place in the bucket."""
        return f"jobs/{self.id}/"

    @property
    def command(self) -> str:
        return " ".join([self.script, *self.args])


@dataclass(frozen=True)
class Record:
    """A job and the head's final status, None while it has none (running, or lost with its nodes)."""

    job: Job
    end: dict[str, Any] | None

    @property
    def state(self) -> str:
        """succeeded | failed | cancelled | lost | '' (no end is known)."""
        return str(self.end["outcome"]["state"]) if self.end else ""


def new_id(script: str, now: datetime | None = None) -> str:
    """A readable, unique id: name, time (UTC) and four random digits, `lenet-20261124-103000-7f3a`.

    The name is the script's, or its directory's when the script is called as everybody's is.
    """
    path = PurePosixPath(script)
    stem = path.parent.name if path.stem in {"train", "main", "run"} and path.parent.name else path.stem
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:30].strip("-") or "job"
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    return f"{name}-{stamp}-{secrets.token_hex(2)}"


def save(store: Store, job: Job) -> None:
    """Write the record of a new job."""
    store.put(job.prefix + "job.json", json.dumps(asdict(job), indent=1).encode())


def load(store: Store, job: str) -> Record:
    """The record of a job. UserError NOT_FOUND when the bucket has none."""
    keys = store.keys(f"jobs/{job}/job.json") + store.keys(f"jobs/{job}/nodes/head.json")
    if f"jobs/{job}/job.json" not in keys:
        raise UserError(f"there is no job {job}", hint="`dlcluster status` shows the jobs", code=Exit.NOT_FOUND)
    return _read(store, job, set(keys))


def listing(store: Store) -> list[Record]:
    """Every job of the bucket, the newest first."""
    keys = set(store.keys("jobs/"))
    jobs = [parts[1] for key in keys if len(parts := key.split("/")) == 3 and parts[2] == "job.json"]
    found = [outcome.unwrap() for outcome in fan_out(lambda job: _read(store, job, keys), jobs)]
    return sorted(found, key=lambda record: record.job.created, reverse=True)


def _read(store: Store, job: str, keys: set[str]) -> Record:
    stored = json.loads(store.get(f"jobs/{job}/job.json"))
    known = {each.name for each in fields(Job)}  # a newer version may have written more
    end_key = f"jobs/{job}/nodes/head.json"
    end = json.loads(store.get(end_key)) if end_key in keys else None
    return Record(Job(**{name: value for name, value in stored.items() if name in known}), end)
