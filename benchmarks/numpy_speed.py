"""dlengine.numpy against NumPy, plain torch, HIPS autograd and JAX: calls on small arrays, and training steps.

Every library runs in a process of its own with one thread; rounds go over all in turn, and a ratio is that of two
times in one round, so that load from outside meets all alike. The peers get an environment of their own.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import measure
from benchmarks.numpy_calls import calls

WORKER = Path(__file__).with_name("numpy_worker.py")
PEERS = {"autograd": "HIPS autograd", "jax": "JAX op by op", "jax-jit": "JAX jitted"}
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
        self.library = library
        argv = [python, "-P", str(WORKER), library]
        environment = os.environ | ONE_THREAD
        self.process = subprocess.Popen(argv, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True)

    def seconds(self, workload: str, count: int) -> float:
        """Processor seconds of one step, the mean of `count`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count} {workload}\n")
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


def timed(contenders: dict[Contender, str], count: int) -> dict[str, list[float]]:
    """Times of every library at its workload, one after the other in each round."""
    found: dict[str, list[float]] = {each.library: [] for each in contenders}
    for _ in range(ROUNDS):
        for each, workload in contenders.items():
            found[each.library].append(each.seconds(workload, count))
    return found


def call_rows(contenders: dict[str, Contender]) -> list[measure.Row]:
    """Microseconds that a call takes over torch's, and its time as a part of JAX's."""
    rows = []
    for call in calls():
        texts = {"dlengine": call.numpy, "torch": call.torch, "jax": "" if call.in_place else call.numpy}
        found = timed({contenders[name]: text for name, text in texts.items() if text and name in contenders}, 200)
        if "torch" in found:
            over = [1e6 * (ours - theirs) for ours, theirs in zip(found["dlengine"], found["torch"], strict=True)]
            rows.append(measure.row(f"`{call.numpy}` over torch", over, limit=5, unit="µs"))
        else:
            rows.append(measure.row(f"`{call.numpy}`", [1e6 * t for t in found["dlengine"]], unit="µs"))
        if "jax" in found:
            part = [ours / theirs for ours, theirs in zip(found["dlengine"], found["jax"], strict=True)]
            rows.append(measure.row(f"`{call.numpy}` / JAX", part, limit=1, unit="x"))
    return rows


def step_rows(contenders: dict[str, Contender]) -> list[measure.Row]:
    """Milliseconds of a training step, and the ratios that have a bar."""
    rows = []
    for workload, count in STEPS.items():
        found = timed(dict.fromkeys(contenders.values(), workload), count)
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


def run(rows_of: Callable[[dict[str, Contender]], list[measure.Row]]) -> tuple[list[measure.Row], str]:
    """The rows, measured with every library there is, and a note about the peers."""
    peers, about = peer_environment()
    pythons = {"dlengine": sys.executable, "torch": sys.executable}
    pythons |= {name: peers for name in PEERS if peers}
    contenders = {name: Contender(name, python) for name, python in pythons.items()}
    try:
        rows = rows_of(contenders)
    finally:
        for each in contenders.values():
            each.close()
    return rows, f"Peers: {about}." if peers else f"Peers are not installed: {about}"


NOTES = [
    "One thread each, float32; medians over interleaved rounds; differences and ratios within a round.",
    "This library and torch on one core, each warmed by a tenth of the calls before it is timed.",
    "Times are the processor time of each process, helper threads included: the machine is shared. Trust ratios more "
    "than times.",
]


def main_calls() -> None:
    rows, about = run(call_rows)
    notes = [
        "The arrays hold some 12 numbers; benchmarks/numpy_calls.py has the table, with what torch runs for each line.",
        "Bars: at most 5 µs over torch's call; no slower than JAX's, op by op. JAX has no assignment.",
    ]
    measure.publish("numpy_calls", "dlengine.numpy: calls on small arrays", rows, [*notes, *NOTES, about])


def main() -> None:
    rows, about = run(step_rows)
    notes = [
        "mlp-small: batch 8, 16-32-10; mlp-large: batch 256, 512-1024-10.",
        "rnn-small: 10 steps of batch 8, 16 units; rnn-large: 20 steps of batch 64, 256 units.",
        "Bars: small steps no slower than JAX's op by op; steps of a millisecond and more within 5% of plain torch.",
    ]
    measure.publish("numpy", "dlengine.numpy: training steps", rows, [*notes, *NOTES, about])


if __name__ == "__main__":
    main()
