"""How long the commands take: help, up, train against plain torchrun, down; and what the embedded cloud weighs."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Row, publish, row, seconds
from dlcluster.jobs.bundle import code_files

DLCLUSTER = str(Path(sys.executable).with_name("dlcluster"))
HELLO = Path(__file__).parent / "hello.py"


def main() -> None:
    """Measure everything and write results/control_plane.md."""
    rows = help_time()
    with sandbox() as env:
        rows += up_and_down(env, workers=2, runs=5, up_limit=5, down_limit=2)
        rows += up_and_down(env, workers=64, runs=2, up_limit=15, down_limit=None)
        rows += train(env, runs=9)
    publish(
        "control_plane",
        "The commands and the embedded cloud",
        rows,
        [
            "`up` is timed from nothing: the embedded cloud's process is stopped before each run.",
            "`train` runs in the script's directory: every job copies it on every worker, so files cost time.",
            "Plain torchrun: the same script, Python and addresses, started by hand without SSH; runs are interleaved.",
            "`train` can add less than nothing: its agents do not wait for their next look at the rendezvous, and end "
            "without taking torch down object by object. Plain torchrun does both.",
        ],
    )


@contextmanager
def sandbox() -> Iterator[dict[str, str]]:
    """An environment with a home of its own for the embedded cloud and the records; stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dlcluster-bench-") as home:
        env = {**os.environ, "DLCLUSTER_LOCAL_HOME": f"{home}/local", "XDG_DATA_HOME": f"{home}/data"}
        try:
            yield env
        finally:
            subprocess.run([DLCLUSTER, "local", "stop", "-y"], env=env, capture_output=True, check=False)


def help_time() -> list[Row]:
    ours, floor = [], []
    for _ in range(11):
        ours.append(seconds([DLCLUSTER, "--help"]))
        floor.append(seconds([sys.executable, "-c", "pass"]))
    return [row("`dlcluster --help`", ours, limit=0.15), row("`python -c pass` in the same run", floor)]


def up_and_down(
    env: dict[str, str], *, workers: int, runs: int, up_limit: float, down_limit: float | None
) -> list[Row]:
    ups, downs, memory = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "cluster.yaml"
        file.write_text(f"name: bench\nworkers: {{count: {workers}}}\n")
        for _ in range(runs):
            subprocess.run([DLCLUSTER, "local", "stop", "-y"], env=env, capture_output=True, check=False)
            ups.append(seconds([DLCLUSTER, "up", "-f", str(file)], env=env))
            memory.append(daemon_rss(env))
            downs.append(seconds([DLCLUSTER, "down", "-f", str(file)], env=env))
    return [
        row(f"`up`, {workers} workers, from nothing", ups, limit=up_limit),
        row(f"`down`, {workers} workers", downs, limit=down_limit),
        row(f"memory of the embedded cloud's process, {workers} workers", memory, limit=400, unit="MB"),
    ]


def daemon_rss(env: dict[str, str]) -> float:
    """Resident memory in MB."""
    answer = subprocess.run(
        [DLCLUSTER, "local", "status", "--json"], env=env, capture_output=True, text=True, check=True
    )
    status = Path(f"/proc/{json.loads(answer.stdout)['pid']}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1000


def train(env: dict[str, str], *, runs: int) -> list[Row]:
    seconds([DLCLUSTER, "up", "-n", "bench-train"], env=env)
    try:
        answer = subprocess.run(
            [DLCLUSTER, "status", "-n", "bench-train", "--json"], env=env, capture_output=True, text=True, check=True
        )
        nodes = json.loads(answer.stdout)["nodes"]
        addresses = [node["private_ip"] for node in nodes if node["role"] == "worker"]
        ours, plain = [], []
        for _ in range(runs):
            plain.append(torchrun(addresses))
            ours.append(seconds([DLCLUSTER, "train", "-n", "bench-train", HELLO.name], env=env, cwd=HELLO.parent))
    finally:
        seconds([DLCLUSTER, "down", "-n", "bench-train"], env=env)
    files = len(list(code_files(HELLO.parent)))
    added = [a - b for a, b in zip(ours, plain, strict=True)]
    return [
        row("plain torchrun, 2 nodes, one all-reduce", plain),
        row(f"`train` of the same script, in a directory of {files} files", ours),
        row("what `train` adds (pairwise)", added, limit=1.5),
        row("ratio of the medians", [statistics.median(ours) / statistics.median(plain)], unit="x"),
    ]


def torchrun(addresses: list[str]) -> float:
    """The same job started by hand on the same addresses: the first one holds the rendezvous."""
    with socket.socket() as probe:
        probe.bind((addresses[0], 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    started = time.perf_counter()
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", f"--nnodes={len(addresses)}", "--nproc-per-node=1"),
                *("--rdzv-backend=c10d", f"--rdzv-endpoint={addresses[0]}:{port}", "--rdzv-id=bench"),
                *(f"--local-addr={address}", f"--rdzv-conf=is_host={int(address == addresses[0])}", str(HELLO)),
            ],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for address in addresses
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    took = time.perf_counter() - started
    if any(process.returncode for process in processes):
        raise RuntimeError(b"\n".join(errors).decode())
    return took
