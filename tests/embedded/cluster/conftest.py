"""The command line on the embedded cloud, as a user runs it: processes of their own, a home of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

PROGRAM = [sys.executable, "-c", "from dlcluster.cli import main; main()"]


class World:
    """A user's machine: a working directory, records, an embedded cloud; nothing of it is shared with other tests."""

    program = PROGRAM

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.work.mkdir()
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        self.env = {
            **keep,
            "DLCLUSTER_LOCAL_HOME": str(root / "local"),
            "XDG_DATA_HOME": str(root / "data"),
            "COLUMNS": "200",
        }

    def start(self, *args: str, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PROGRAM, *args],
            env=self.env,
            cwd=self.work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            # As from a terminal: a test run in the background has Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **options,
        )

    def run(self, *args: str, code: int | None = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; code: the exit code it must have (None: any)."""
        process = self.start(*args)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{args} did not end within {timeout} s\n{out}\n{err}")
        done = subprocess.CompletedProcess(args, process.returncode, out, err)
        assert "Traceback" not in err or code not in (None, 0), err
        if code is not None:
            assert done.returncode == code, f"{args} ended with {done.returncode}\n{out}\n{err}"
        return done

    def json(self, *args: str, code: int = 0) -> object:
        return json.loads(self.run(*args, "--json", code=code).stdout)

    def daemon(self) -> dict:
        return json.loads(self.run("local", "status", "--json", code=None).stdout)

    def client(self, service: str):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.daemon()["endpoint"], **keys)

    def write(self, name: str, text: str) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def processes(self, script: str = "") -> list[str]:
        """Processes of this world; with a script's name only those that run it, without their wrappers."""
        found = processes_of(self.root)
        return [line for line in found if script in line and "rank.py" not in line] if script else found

    @staticmethod
    def wait_for(condition: Callable[[], object], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        return bool(condition())

    def close(self) -> None:
        self.run("local", "stop", "-y", code=None)
        gone = self.wait_for(lambda: not self.processes(), 10)
        assert gone, f"processes outlive the embedded cloud: {self.processes()}"
        shutil.rmtree(self.root, ignore_errors=True)


def processes_of(root: Path) -> list[str]:
    """Command lines of the processes that belong to a world, by their environment or their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            stat = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if str(root).encode() in text and stat != "Z":
                found.append(f"{entry.name} " + (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def shared():
    """A world for all tests of a module."""
    world = World(Path(tempfile.mkdtemp(prefix="dlc-")))
    yield world
    world.close()


@pytest.fixture(scope="module")
def cluster(shared):
    """The same world with the built-in cluster up, under the name `t`."""
    shared.env["DLCLUSTER_NAME"] = "t"
    shared.run("up")
    return shared


@pytest.fixture
def world():
    """A world for one test."""
    world = World(Path(tempfile.mkdtemp(prefix="dlc-")))
    yield world
    world.close()
