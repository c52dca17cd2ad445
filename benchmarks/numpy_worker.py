"""One library's side of numpy_speed.py: `python -P numpy_worker.py LIBRARY`, then one request a line on stdin.

A request is `COUNT WORKLOAD`: a training step by its name, or the text of a call. The answer is the processor seconds
that one step took, as the mean of COUNT steps, after a tenth of that to warm the caches that the others have used.
Time that other processes take from it does not count. This library and torch run on one and the same core.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

Step = Callable[[], Any]
SIZES = {  # batch, inputs, hidden, time steps
    "mlp-small": (8, 16, 32, 0),
    "mlp-large": (256, 512, 1024, 0),
    "rnn-small": (8, 8, 16, 10),
    "rnn-large": (64, 128, 256, 20),
}


def data(name: str) -> tuple[dict[str, numpy.ndarray], numpy.ndarray, numpy.ndarray]:
    """Parameters, inputs and labels: the same float32 numbers for every library."""
    batch, inputs, hidden, steps = SIZES[name]
    rng = numpy.random.default_rng(0)
    shapes = {"w1": (inputs, hidden), "b1": (hidden,), "w2": (hidden, 10), "b2": (10,)}
    if steps:
        shapes["state"] = (hidden, hidden)
    params = {key: (0.1 * rng.normal(size=shape)).astype("float32") for key, shape in shapes.items()}
    x = rng.normal(size=(steps, batch, inputs) if steps else (batch, inputs)).astype("float32")
    return params, x, numpy.eye(10, dtype="float32")[rng.integers(0, 10, batch)]


def loss_of(np: Any) -> Callable[[Any, Any, Any], Any]:
    """The loss as NumPy code; the network is recurrent when it has a state."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        if "state" in params:
            hidden = np.tanh(x[0] @ params["w1"] + params["b1"])
            for t in range(1, len(x)):
                hidden = np.tanh(x[t] @ params["w1"] + hidden @ params["state"] + params["b1"])
        else:
            hidden = np.tanh(x @ params["w1"] + params["b1"])
        logits = hidden @ params["w2"] + params["b2"]
        return np.sum(np.log(np.exp(logits).sum(1)) - (logits * y).sum(1)) / len(y)

    return loss


def as_it_is(value: Any) -> Any:
    """For libraries that return when the work is done."""
    return value


def training(library: str, name: str) -> Step:
    """One step of gradient descent."""
    params, x, y = data(name)
    if library == "torch":
        return torch_training(params, x, y)
    wait: Callable[[Any], Any] = as_it_is
    if library == "dlengine":
        import dlengine.numpy as np

        both = np.value_and_grad(loss_of(np))
        params, x, y = {k: np.asarray(v) for k, v in params.items()}, np.asarray(x), np.asarray(y)
    elif library == "autograd":
        import autograd
        import autograd.numpy as np

        both = autograd.value_and_grad(loss_of(np))
    else:
        import jax
        import jax.numpy as np

        both, wait = jax.value_and_grad(loss_of(np)), jax.block_until_ready
        both = jax.jit(both) if library == "jax-jit" else both
        params, x, y = {k: np.asarray(v) for k, v in params.items()}, np.asarray(x), np.asarray(y)

    def step() -> None:
        nonlocal params
        _, gradient = both(params, x, y)
        if library.startswith("jax"):  # whose arrays cannot be written to
            params = wait({key: value - 0.01 * gradient[key] for key, value in params.items()})
        else:
            for key, change in gradient.items():
                params[key] -= 0.01 * change

    return step


def torch_training(arrays: dict[str, numpy.ndarray], x: Any, y: Any) -> Step:
    """The same step in plain torch."""
    import torch

    params = {key: torch.from_numpy(value).requires_grad_() for key, value in arrays.items()}
    loss = loss_of(torch)
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> None:
        gradient = torch.autograd.grad(loss(params, x, y), list(params.values()))
        with torch.no_grad():
            for value, change in zip(params.values(), gradient, strict=True):
                value -= 0.01 * change

    return step


def operands() -> dict[str, numpy.ndarray]:
    """The arrays of the table in numpy_calls.py, the same for every library."""
    rng = numpy.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 4)).astype("float32")
    integers = numpy.arange(12).reshape(3, 4) % 3
    return {
        "x": x, "y": y, "p": numpy.abs(x) + 0.1, "v": numpy.linspace(0.1, 1, 4, dtype="float32"),
        "s": x.T @ x + numpy.eye(4, dtype="float32"), "t": numpy.arange(24, dtype="float32").reshape(2, 3, 4),
        "i": integers, "j": integers.copy(), "k": numpy.array([0, 2]), "m": x > 0, "z": x + 1j * y,
    }  # fmt: skip


def calling(library: str, text: str) -> Step:
    """A function that runs the text once; a text with an assignment changes its operands."""
    wait: Callable[[Any], Any] = as_it_is
    np: Any = numpy
    made: Callable[[Any], Any] = numpy.array
    if library == "torch":
        import torch

        np, made = torch, torch.from_numpy
    elif library == "dlengine":
        import dlengine.numpy

        np, made = dlengine.numpy, dlengine.numpy.asarray
    elif library == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        np, made, wait = jax.numpy, jax.numpy.asarray, jax.block_until_ready
    used = {name: made(value) for name, value in operands().items() if re.search(rf"\b{name}\b", text)}
    names, space = ", ".join(used), {"np": np, "wait": wait}
    body = text if re.search(r" [+*]?= ", text) else f"wait({text})" if library == "jax" else text
    exec(f"def make({names}):\n def run({', '.join(f'{n}={n}' for n in used)}):\n  {body}\n return run", space)
    return space["make"](**used)  # type: ignore[operator]


def main() -> None:
    library = sys.argv[1]
    if library in ("torch", "dlengine"):
        import torch

        torch.set_num_threads(1)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ready: dict[str, Step] = {}
    for line in sys.stdin:
        count, name = line.rstrip("\n").split(" ", 1)
        if name not in ready:
            ready[name] = (training if name in SIZES else calling)(library, name)
            for _ in range(3):
                ready[name]()
        step = ready[name]
        for _ in range(int(count) // 10):
            step()
        started = time.process_time()
        for _ in range(int(count)):
            step()
        print((time.process_time() - started) / int(count), flush=True)


if __name__ == "__main__":
    main()
