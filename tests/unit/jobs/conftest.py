"""Nodes without SSH and a cloud of one HTTP server: calls run here, each node with a home and an address of its own."""

from __future__ import annotations

import http.server
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import submit as submit_module
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.follow import Outcome, follow
from dlcluster.jobs.records import Job
from dlcluster.jobs.submit import Request
from dlcluster.remote.keys import KeyPair
from dlcluster.remote.ssh import Target

FAKE_TORCH = Path(__file__).parent / "fake_torch"


class FakeStore:
    """The bucket: a dictionary behind the interface of cloud.store.Store and behind HTTP."""

    bucket = "bucket"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.broken = False
        self.slow = 0.0  # seconds that every object takes on its way

    def exists(self, key: str) -> bool:
        return key in self.objects

    def put(self, key: str, data: bytes | Path) -> None:
        self.puts.append(key)
        self.objects[key] = data if isinstance(data, bytes) else data.read_bytes()

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise UserError(f"reading {key}: NoSuchKey", code=Exit.UNAVAILABLE)
        return self.objects[key]

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.objects[key])

    def url(self, key: str, seconds: int = 3600) -> str:
        return f"{self.endpoint}/{self.bucket}/{key}"

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def delete(self, prefix: str = "") -> int:
        doomed = self.keys(prefix)
        for key in doomed:
            del self.objects[key]
        return len(doomed)


@pytest.fixture
def store() -> Iterator[FakeStore]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """S3's PUT and GET of an object, and the instance metadata that a node asks before."""

        def do_GET(self) -> None:
            answers = {
                "placement/region": b"us-east-1",
                "security-credentials/": b"role",
                "security-credentials/role": b'{"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T"}',
            }
            path = unquote(self.path).split("?")[0]
            found = next((text for end, text in answers.items() if path.endswith(end)), None)
            self.answer(found if found is not None else fake.objects.get(path.removeprefix("/bucket/")))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if not self.path.startswith("/bucket/"):
                self.answer(b"token")
            elif fake.broken:
                self.answer(b"<Error><Code>NoSuchBucket</Code><Message>it is gone</Message></Error>", 404)
            else:
                time.sleep(fake.slow)
                fake.objects[unquote(self.path).removeprefix("/bucket/")] = body
                self.answer(b"")

        def answer(self, body: bytes | None, status: int = 200) -> None:
            self.send_response(status if body is not None else 404)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake = FakeStore(f"http://127.0.0.1:{server.server_port}")
    yield fake
    server.shutdown()
    server.server_close()


class LocalStream:
    """remote.channel.Stream over a local process."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        self.process = process
        assert process.stdin
        process.stdin.write(stdin)
        process.stdin.close()

    def __iter__(self) -> Iterator[bytes]:
        assert self.process.stdout
        return iter(lambda: self.process.stdout.read1(1 << 16), b"")  # type: ignore[union-attr]

    @property
    def exit_code(self) -> int:
        return self.process.wait()

    @property
    def stderr(self) -> bytes:
        assert self.process.stderr
        return self.process.stderr.read()

    def limit(self, timeout: float | None) -> None:
        pass

    def close(self) -> None:
        self.process.terminate()


@dataclass
class LocalNode:
    name: str
    private_ip: str
    home: Path
    env: dict[str, str]
    role: str
    instance_id: str
    host_key: str | None = "ssh-ed25519 AAAA"
    down: bool = False

    @property
    def address(self) -> str:
        return self.private_ip

    def stream(self, argv: list[str], *, stdin: bytes = b"") -> LocalStream:
        argv = [sys.executable if argv[0] == "python3" else argv[0], *argv[1:]]
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.home)
        return LocalStream(process, stdin)

    def lost(self, what: str) -> UserError:
        return UserError(what, where=self.name, code=Exit.NODE_LOST)

    def path(self, job: Job, *parts: str) -> Path:
        return self.home.joinpath(".dlcluster", "jobs", job.id, *parts)

    def status(self, job: Job) -> dict[str, Any]:
        path = self.path(job, "status.json")
        return json.loads(path.read_text()) if path.exists() else {"state": None}


@dataclass
class Site:
    """A cluster of local nodes, with the verbs that tests need."""

    cluster: Cluster
    store: FakeStore
    code: Path
    nodes: list[LocalNode]
    jobs: list[Job] = field(default_factory=list)

    def connect(self, target: Target | None = None) -> LocalNode:
        node = next(node for node in self.nodes if node.name == (target.name if target else "head"))
        if node.down:
            raise UserError("no SSH answer", where=node.name, code=Exit.NODE_LOST)
        return node

    def submit(self, source: str, *args: str, **options: Any) -> Job:
        (self.code / "train.py").write_text(source)
        options = {"limits": {"grace": 0.5, "patience": 1.0}, **options}
        request = Request(self.code, "train.py", list(args), **options)
        job = submit_module.submit(self.cluster, self, request)  # type: ignore[arg-type]
        self.jobs.append(job)
        return job

    def follow(self, job: Job, **options: Any) -> tuple[Outcome, str]:
        sink = io.BytesIO()
        outcome = follow(self.cluster, self, job, sink, **options)  # type: ignore[arg-type]
        return outcome, sink.getvalue().decode(errors="replace")

    def leftovers(self) -> list[str]:
        """Processes of these nodes that still live (a supervisor may take a moment to leave)."""
        deadline = time.monotonic() + 5
        while (left := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _processes(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                homes = [str(node.home) for node in self.nodes]
                if any(f"HOME={home}\0".encode() in path.read_bytes() for home in homes):
                    found.append(shlex.join((path.parent / "cmdline").read_text().split("\0")))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def wait_for(self, condition: Callable[[], Any], what: str = "", seconds: float = 20) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, what or "waited in vain"
            time.sleep(0.02)
        return value


@pytest.fixture
def make_site(tmp_path: Path, store: FakeStore) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(workers: int = 2, *, torch: bool = False) -> Site:
        nodes = []
        for index in range(workers + 1):
            name = f"worker-{index - 1}" if index else "head"
            home = tmp_path / name
            home.mkdir()
            env = {
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "AWS_ENDPOINT_URL": store.endpoint,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": store.endpoint,
                "DLCLUSTER_PYTHON": sys.executable,
                "OMP_NUM_THREADS": "1",
                "LANG": "C.UTF-8",
            }
            if not torch:
                env["PYTHONPATH"] = str(FAKE_TORCH)
            role = "worker" if index else "head"
            nodes.append(LocalNode(name, f"127.2.0.{index + 1}", home, env, role, f"i-{name}"))
        code = tmp_path / "code"
        code.mkdir()
        key = KeyPair(tmp_path / "id", "ssh-ed25519 AAAA")
        session = type("Session", (), {"ssh_port": 22})()
        cluster = Cluster("test", session, store, nodes, key)  # type: ignore[arg-type]
        sites.append(Site(cluster, store, code, nodes))
        return sites[-1]

    yield make
    for site in sites:
        for job in site.jobs:
            for node in site.nodes:
                lock = node.path(job, "lock")
                pid = lock.read_text() if lock.exists() else ""
                if pid and f"{node.home}" in _environ(pid):
                    os.kill(int(pid), 9)
        shutil.rmtree(tmp_path, ignore_errors=True)


def _environ(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Two workers and a torchrun that is only a starter of processes: fast, without torch."""
    return make_site()
