"""One rank of the runs that test_engine_ranks.py compares: `ranks_script.py FOLDER`, in the environment of torchrun."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dlengine import Callback, EarlyStop, EngineError, Interrupted, Loop, Stream, fit, models
from dlengine.data import Dataset, load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

RANK = int(os.environ.get("RANK", "0"))


def points(samples: int) -> Dataset:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, samples)
    return Dataset(generator.normal(size=(samples, 4)) + np.eye(4)[y], y)


def small(*extra: nn.Module) -> nn.Sequential:
    torch.manual_seed(RANK)  # rank 0's weights must win
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), *extra, nn.Linear(8, 3))


class PartlyUsed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.used, self.unused = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.used(x)


class InDouble(nn.Module):
    """Where rounding is too small to hide a wrong weight of a sample."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x.double())


class Hungry(nn.Module):
    """Too large for the memory of the last rank, where more than 4 samples come at once."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) > 4 and int(os.environ.get("WORLD_SIZE", "1")) - 1 == RANK:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Global batches of 24 and a last one of 5, drawn at random."""
    data = points(101)
    order = torch.randperm(101)
    for begin in range(0, 101, 24):
        yield data.batch(order[begin : begin + 24])


def own_batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """This rank's part of each of the batches; only the first has one of the last, which holds one sample."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    data = points(97)
    for begin in range(0, 97, 24):
        numbers = torch.arange(begin, min(begin + 24, 97)).tensor_split(world)[RANK]
        if len(numbers):
            yield data.batch(numbers)


def looped(**arguments: Any) -> Loop:
    with Loop(small(), points(101), points(7), epochs=2, **arguments) as loop:
        for x, y in loop:
            output = loop.forward(x)
            loop.step(nn.functional.cross_entropy(output, y), output)
    return loop


class SigtermAt(Callback):
    """The notice reaches one machine only, here that of the last rank."""

    def on_step(self, run) -> None:
        if run.position.step == 9 and run.group.rank == run.group.world - 1:
            os.kill(os.getpid(), signal.SIGTERM)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def equal_runs(world: int) -> dict[str, torch.Tensor]:
    """Weights and metrics that must not depend on the number of ranks: 24 samples a step, however they are split."""
    batch = 24 // world
    quiet = {"batch_size": batch, "progress": False, "device": "cpu"}
    test = points(7)
    many = TensorDataset(points(101).x, points(101).y)
    runs: dict[str, Any] = {
        "uneven": fit(small(), points(101), test, epochs=4, lr=0.1, schedule="one-cycle", **quiet),
        "last batch of one": fit(small(), points(97), test, epochs=4, lr=0.1, weight_decay=0.1, **quiet),
        "adam": fit(small(), points(97), points(1), epochs=4, optimizer="adam", lr=0.01, **quiet),
        "partly used": fit(PartlyUsed(), points(101), test, epochs=2, **quiet),
        "stream": fit(small(), batches, lambda: [(points(7).x, points(7).y)], epochs=3, **quiet),
        "own streams": fit(small(), Stream(own_batches, sharded=True), test, epochs=3, **quiet),
        "loader": fit(small(), DataLoader(many, batch_size=24, shuffle=True), test, epochs=3, **quiet),
        "micro-batches": fit(small(), points(101), test, epochs=3, micro_batch=5, clip_norm=0.2, **quiet),
        "full memory": fit(small(Hungry()), points(101), test, epochs=3, **quiet),
        "early stop": fit(
            small(), points(101), test, epochs=9, early_stop=EarlyStop(1, 0.1), metrics=["f1", "top-2"], **quiet
        ),
        "loop": looped(**quiet),
        "lenet": fit(models.lenet(), *load("digits"), epochs="4ba", lr=0.01, **quiet),
        "lenet in float64": fit(InDouble(models.lenet()), *load("digits"), epochs="24ba", lr=0.05, **quiet),
    }
    results = {}
    for name, run in runs.items():
        names = [name for name in run.history[0] if "second" not in name and run.history[0][name] is not None]
        rows = [[row[name] for name in names] for row in run.history]
        results[name] = weights(run.model)
        results[f"{name}, metrics"] = torch.tensor(rows, dtype=torch.float64)
    return results


def interrupted(folder: Path) -> dict[str, torch.Tensor]:
    """A run with random numbers on every rank: without a break, and with one, resumed from rank 0's files."""
    arguments = {"epochs": 3, "batch_size": 8, "optimizer": "adam", "progress": False, "device": "cpu"}
    straight = fit(small(nn.Dropout(0.4)), points(101), **arguments)
    arguments["checkpoint"] = folder / f"rank{RANK}"
    try:
        fit(small(nn.Dropout(0.4)), points(101), callbacks=[SigtermAt()], **arguments)
    except Interrupted as stopped:
        code = stopped.code
    resumed = fit(small(nn.Dropout(0.4)), points(101), **arguments)
    return {
        "straight": weights(straight.model),
        "resumed": weights(resumed.model),
        "losses": torch.tensor(
            [[a["loss"], b["loss"]] for a, b in zip(straight.history, resumed.history, strict=True)]
        ),
        "code": torch.tensor(code),
        "came from": torch.tensor(list((resumed.resumed_from or "").encode())),
    }


def errors() -> list[str]:
    """What the ranks say when one of them has other data, or a broken sample."""
    said = []
    broken = points(40)
    if RANK == 1:
        broken.x[:] = float("nan")
    for data in (points(40 + RANK), broken):
        try:
            fit(small(), data, batch_size=8, progress=False, device="cpu")
        except EngineError as error:
            said.append(str(error))
    return said


def main(folder: Path) -> None:
    world = int(os.environ["WORLD_SIZE"])
    results = {"equal": equal_runs(world), "interrupted": interrupted(folder)}
    results["batchnorm"] = weights(fit(small(nn.BatchNorm1d(8)), points(50), progress=False, device="cpu").model)
    torch.save(results, folder / f"results{RANK}.pt")
    (folder / f"errors{RANK}.json").write_text(json.dumps(errors()))
    if RANK == 1:
        os._exit(7)
    fit(small(), points(40), progress=False, device="cpu")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
