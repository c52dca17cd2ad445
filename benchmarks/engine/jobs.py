"""What is trained: the same initial weights and batches for everybody, in one file a workload."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Workload:
    """A network and a batch. `steps`: of one timing. `bar`: how much faster than eager torch `fit` shall be."""

    name: str
    title: str
    batch: int
    steps: int
    bar: float | None


WORKLOADS = [
    Workload("mlp", "MLP 784-512-512-10, batch 128", 128, 30, 1.05),
    Workload("lenet64", "LeNet-5, batch 64", 64, 20, 1.8),
    Workload("lenet256", "LeNet-5, batch 256", 256, 6, 2.0),
    Workload("inception", "Inception v1, batch 16", 16, 1, 1.38),
    Workload("gpt", "GPT of 4 layers, width 128, batch 16 x 64", 16, 3, None),
]


def write(workload: Workload, folder: Path) -> Path:
    """The file that the contenders read."""
    import numpy
    from dlengine.data import BatchOrder

    from benchmarks.engine.modules import MODELS

    rng = numpy.random.default_rng(0)
    batches = 4 if workload.name == "inception" else 16
    lead = (batches, workload.batch)
    if workload.name == "gpt":
        text = rng.integers(0, 65, (*lead, 65), dtype="int64")
        x, y = text[..., :-1].copy(), text[..., 1:].copy()
    else:
        shape = {"mlp": (784,), "inception": (3, 224, 224)}.get(workload.name, (1, 32, 32))
        x = (0.05 if workload.name == "inception" else 1) * rng.normal(size=(*lead, *shape)).astype("float32")
        y = rng.integers(0, 1000 if workload.name == "inception" else 10, lead, dtype="int64")
    weights = {f"w:{name}": value.numpy() for name, value in MODELS[workload.name]().state_dict().items()}
    order = BatchOrder(batches * workload.batch, workload.batch, 0).indices(0)
    path = folder / f"{workload.name}.npz"
    numpy.savez(
        path,
        name=workload.name,
        x=x,
        y=y,
        **{f"{name}-shuffled": _unorder(value, order) for name, value in (("x", x), ("y", y))},
        lr=0.001 if workload.name in ("gpt", "inception") else 0.01,
        **weights,
    )
    return path


def _unorder(batches: Any, order: Any) -> Any:
    """The samples where `order` finds them again as these batches."""
    flat = batches.reshape(-1, *batches.shape[2:])
    found = flat.copy()
    found[order] = flat
    return found.reshape(batches.shape)
