"""The workloads as torch modules, for every contender that trains one; and the same loss, optimizer and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from dlengine import models
from torch import nn

MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": models.mlp,
    "lenet64": models.lenet5,
    "lenet256": models.lenet5,
    "inception": lambda: models.inception_v1(lrn=False, dropout=0.0),
    "gpt": lambda: models.gpt("tiny"),
}


def model(job: Any, *, inplace: bool = False) -> nn.Module:
    """The module with the given weights; `inplace`: whether ReLUs are written in place, unlike torch's default."""
    made = MODELS[job.name]()
    made.load_state_dict({name: torch.from_numpy(value) for name, value in job.weights.items()})
    for module in made.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = inplace
    return made


def optimizer(job: Any, made: nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum, or AdamW for the GPT."""
    if job.name == "gpt":
        return torch.optim.AdamW(made.parameters(), lr=job.lr, weight_decay=0.01)
    return torch.optim.SGD(made.parameters(), lr=job.lr, momentum=0.9)


def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy, over all places of a sequence."""
    return nn.functional.cross_entropy(output.flatten(0, -2), y.flatten())


def steps(
    job: Any, forward: Callable[..., torch.Tensor], made: nn.Module, own: torch.optim.Optimizer | None = None
) -> Callable[[int], torch.Tensor]:
    """The textbook step: a batch by index out of arrays in memory, forward, backward, update."""
    x, y = (torch.from_numpy(values) for values in job.flat())
    own = own or optimizer(job, made)
    order = torch.arange(len(x))

    def step(number: int) -> torch.Tensor:
        chosen = order[number * job.batch : (number + 1) * job.batch]
        own.zero_grad()
        value = loss(forward(x[chosen]), y[chosen])
        value.backward()
        own.step()
        return value

    return step
