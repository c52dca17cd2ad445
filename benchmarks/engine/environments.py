"""Who takes part, and the virtual environments that they need; made on the first run below the user's cache."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Contender:
    """One row of the table. `packages` of an environment of its own, none for ours; `only`: the workloads it has."""

    title: str
    file: str
    arguments: tuple[str, ...] = ()
    environment: str = ""
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ("mlp", "lenet64", "lenet256", "inception", "gpt")
    peer: bool = True


TENSORFLOW = ("tensorflow", ("tensorflow-cpu==2.21.0",))
CONTENDERS = [
    Contender("dlengine.fit", "dlengine_fit", peer=False),
    Contender("torch eager", "torch_eager"),
    Contender("torch eager, freed memory kept", "torch_eager", ("kept",), peer=False),
    Contender("torch eager, ReLU in place", "torch_eager", ("inplace",), only=("inception",)),
    Contender("hand-written loop, fit's settings", "dlengine_loop", peer=False),
    Contender('dlengine.fit, tune="off"', "dlengine_fit", ("off",), peer=False),
    Contender("torch.compile", "torch_compile"),
    Contender("Lightning", "lightning_trainer", (), "lightning", ("lightning", "torch==2.13.0")),
    Contender("Keras on torch", "keras_fit", (), "keras", ("keras", "torch==2.13.0"), {"KERAS_BACKEND": "torch"}),
    Contender("Keras on TensorFlow", "keras_fit", (), *TENSORFLOW, {"KERAS_BACKEND": "tensorflow"}),
    Contender("TensorFlow function", "tensorflow_function", (), *TENSORFLOW),
    Contender("TensorFlow XLA", "tensorflow_function", ("xla",), *TENSORFLOW),
    Contender("MXNet 1.9.1", "mxnet_module", (), "mxnet", ("mxnet==1.9.1", "numpy==1.23.5")),
    Contender("PaddlePaddle", "paddle_dygraph", (), "paddle", ("paddlepaddle==3.3.1",)),
]


def python(contender: Contender) -> str:
    """The interpreter for a contender. Raises RuntimeError when its packages cannot be installed."""
    if not contender.environment:
        return sys.executable
    home = cache() / f"engine-{contender.environment}"
    interpreter, mark = home / "bin" / "python", home / "installed"
    wanted = " ".join(contender.packages)
    if mark.exists() and mark.read_text() == wanted:
        return str(interpreter)
    try:
        subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True, text=True)
        install = [interpreter, "-m", "pip", "install", "-q", *contender.packages]
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=1800)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{wanted} cannot be installed: {getattr(error, 'stderr', '') or error}") from None
    mark.write_text(wanted)
    return str(interpreter)


def cache() -> Path:
    """Where the environments lie."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "dlcluster" / "benchmarks"


def start(contender: Contender, job: Path) -> subprocess.Popen[str]:
    """The contender in a process of its own, with torch's and everybody's own number of threads."""
    dropped = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'engine'}", "XDG_CACHE_HOME": str(job.parent)}
    environment |= {"PYTHONWARNINGS": "ignore", **contender.variables}
    argv = [python(contender), "-m", f"benchmarks.engine.{contender.file}", str(job), *contender.arguments]
    errors = job.with_suffix(f".{contender.title.replace(' ', '-').replace('/', '-')}.log").open("w")
    return subprocess.Popen(argv, env=environment, stdin=-1, stdout=-1, stderr=errors, text=True, cwd=job.parent)
