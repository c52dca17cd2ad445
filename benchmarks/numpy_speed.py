"""dlengine.numpy against NumPy, plain torch, HIPS autograd and JAX: calls on small arrays, and training steps.

Every library runs in a process of its own with one thread; rounds go over all in turn, and a ratio is that of two
times in one round, so that load from outside meets all alike. The peers get an environment of their own.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import measure

WORKER = Path(__file__).with_name("numpy_worker.py")
PEERS = {"autograd": "HIPS autograd", "jax": "JAX op by op", "jax-jit": "JAX jitted"}
CALLS = ["call-add", "call-operator", "call-scalar", "call-exp", "call-sum", "call-matmul", "call-slice"]
STEPS = {"mlp-small": 20, "rnn-small": 10, "mlp-large": 5, "rnn-large": 3}  # steps in one timing
ROUNDS = 15
VERSIONS = "from importlib.metadata import version as v; print('autograd', v('autograd') + ', JAX', v('jax'))"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


class Contender:
    """A library in its process."""

    def __init__(self, library: str, python: str) -> None:
        argv = [python, "-P", str(WORKER), library]
        environment = os.environ | ONE_THREAD
        self.process = subprocess.Popen(argv, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True)

    def seconds(self, workload: str, count: int) -> float:
        """Processor seconds of one step, the mean of `count`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{workload} {count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.process.args}: {self.process.communicate()[1]}")
        return float(answer)

    def close(self) -> None:
        self.process.communicate()


def peer_environment() -> tuple[str | None, str]:
    """The Python of the environment with autograd and JAX, made on the first run; None and the reason without one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "dlcluster" / "benchmarks" / "numpy-peers"
    python = home / "bin" / "python"
    check = [str(python), "-c", VERSIONS]
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True, timeout=300)
        if subprocess.run(check, capture_output=True).returncode:
            install = [python, "-m", "pip", "install", "-q", "numpy", "autograd", "jax"]
            subprocess.run(install, check=True, capture_output=True, text=True, timeout=900)
        done = subprocess.run(check, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        return None, (error.stderr or "no message").strip().splitlines()[-1]
    except subprocess.TimeoutExpired:
        return None, "the installation took too long"
    return str(python), done.stdout.strip()


def timed(contenders: dict[str, Contender], workload: str, count: int) -> dict[str, list[float]]:
    """Times of every library, one after the other in each round."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            found[name].append(contender.seconds(workload, count))
    return found


def call_rows(contenders: dict[str, Contender]) -> list[measure.Row]:
    """Microseconds of a call, and what ours costs over torch's."""
    chosen = {name: each for name, each in contenders.items() if name in ("dlengine", "torch", "numpy", "jax")}
    rows = []
    for workload in CALLS:
        found = timed(chosen, workload, 500)
        title = workload.removeprefix("call-")
        over = [1e6 * (ours - theirs) for ours, theirs in zip(found["dlengine"], found["torch"], strict=True)]
        rows += [measure.row(f"{title}: {name}", [1e6 * t for t in each], unit="µs") for name, each in found.items()]
        rows.append(measure.row(f"{title}: dlengine over torch", over, limit=5, unit="µs"))
    return rows


def step_rows(contenders: dict[str, Contender]) -> list[measure.Row]:
    """Milliseconds of a training step, and the ratios that have a bar."""
    chosen = {name: each for name, each in contenders.items() if name != "numpy"}
    rows = []
    for workload, count in STEPS.items():
        found = timed(chosen, workload, count)
        for name, each in found.items():
            rows.append(measure.row(f"{workload}: {PEERS.get(name, name)}", [1e3 * t for t in each], unit="ms"))
        for name in found:
            if name == "dlengine":
                continue
            ratios = [ours / theirs for ours, theirs in zip(found["dlengine"], found[name], strict=True)]
            limit = {("jax", "small"): 1.0, ("torch", "large"): 1.05}.get((name, workload.split("-")[1]))
            rows.append(measure.row(f"{workload}: dlengine / {PEERS.get(name, name)}", ratios, limit=limit, unit="x"))
        rows += [
            measure.Row(f"{workload}: {title}: not installed", "", math.nan, math.nan, math.nan, 0, "ms")
            for name, title in PEERS.items()
            if name not in found
        ]
    return rows


def main() -> None:
    peers, about = peer_environment()
    pythons = {"dlengine": sys.executable, "torch": sys.executable, "numpy": sys.executable}
    pythons |= {name: peers for name in PEERS if peers}
    contenders = {name: Contender(name, python) for name, python in pythons.items()}
    try:
        rows = call_rows(contenders) + step_rows(contenders)
    finally:
        for each in contenders.values():
            each.close()
    notes = [
        "One thread each, float32; a call is on 3 x 4 numbers; medians over interleaved rounds; ratios within a round.",
        "mlp-small: batch 8, 16-32-10; mlp-large: batch 256, 512-1024-10.",
        "rnn-small: 10 steps of batch 8, 16 units; rnn-large: 20 steps of batch 64, 256 units.",
        "Bars: a call at most 5 µs over torch's; small steps no slower than JAX's op by op; steps of a millisecond "
        "and more within 5% of plain torch.",
        f"Peers: {about}." if peers else f"Peers are not installed: {about}",
        "Times are the processor time of each process, helper threads included: the machine is shared. Trust "
        "ratios more than times.",
    ]
    measure.publish("numpy", "dlengine.numpy: calls and training steps", rows, notes)


if __name__ == "__main__":
    main()
