"""The peak memory of a training step, from a run on tensors without memory (torch's FakeTensorMode)."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dlengine.errors import EngineError
from dlengine.tune.bytes import size
from dlengine.tune.recompute import Block, recomputing
from dlengine.tune.workspace import transient


@dataclass(frozen=True)
class Forecast:
    """Bytes at the peak of a step: all together, and what they are.

    They are those of tensors: the interpreter and its libraries (300 MiB for torch) and the data set come on top.
    """

    peak: int
    parameters: int
    gradients: int
    optimizer: int
    batch: int

    @property
    def rest(self) -> int:
        """What is neither: at the peak mostly activations; gradients may not all be there yet, so it can be more."""
        return max(0, self.peak - self.parameters - self.gradients - self.optimizer - self.batch)

    def __str__(self) -> str:
        names = ("parameters", "gradients", "optimizer", "batch", "rest")
        return f"{size(self.peak)} ({', '.join(f'{name} {size(getattr(self, name))}' for name in names)})"


def forecast(
    model: nn.Module,
    batch: tuple[torch.Tensor, torch.Tensor],
    optimizer: Any = "sgd",
    *,
    loss: Callable[[Any, Any], torch.Tensor] | None = None,
    micro_batch: int | None = None,
    recompute: Sequence[Block] = (),
) -> Forecast:
    """What a training step on a batch like (x, y) will take; the model runs on shapes only, and stays as it is.

    optimizer: a torch optimizer of this model, or what `fit` takes. micro_batch: samples at a time.
    recompute: parts of the model (`dlengine.tune.recompute.blocks`) that do not keep their activations.
    Raises EngineError for a model whose forward cannot run on shapes, for example one that reads a tensor's values.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        from dlengine.train import optimizer as optimizers

        optimizer = optimizers.build(optimizer, model)
    measure = loss or getattr(model, "default_loss", None) or nn.functional.cross_entropy
    mode, live = FakeTensorMode(), _Live()
    try:
        with FakeCopyMode(mode):
            made, own, given = copy.deepcopy((model, optimizer, batch))
        with mode, live, recomputing(made, recompute), torch.random.fork_rng(devices=[]):
            made.train()
            lasting = live.count(list(made.parameters()) + list(made.buffers()))
            live.count(list(given))
            pieces = (given[0][: 2 * micro_batch], given[1][: 2 * micro_batch]) if micro_batch else given
            for _ in range(
                2
            ):  # the optimizer's state comes with the first step; a third micro-batch is like the second
                _step(made, own, measure, pieces, micro_batch)
    except EngineError:
        raise
    except Exception as error:  # a user's forward may do anything that shapes alone do not allow
        raise EngineError(
            f"the memory cannot be forecast: the model does not run on shapes alone ({type(error).__name__})",
            "leave memory out, and set micro_batch by hand",
        ) from error
    gradients = _bytes([one.grad for one in made.parameters() if one.grad is not None])
    states = _bytes([v for state in own.state.values() for v in state.values() if isinstance(v, torch.Tensor)])
    batch_bytes = _bytes(list(given))
    return Forecast(live.peak, lasting, gradients, states, batch_bytes)


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Any, Any], torch.Tensor],
    batch: tuple[torch.Tensor, torch.Tensor],
    micro: int | None,
) -> None:
    """What fit does in a step."""
    x, y = batch
    size = min(micro or len(x), len(x))
    optimizer.zero_grad(set_to_none=True)
    for begin in range(0, len(x), size):
        part = loss(model(x[begin : begin + size]), y[begin : begin + size])
        (part if size == len(x) else part * (size / len(x))).backward()
        del part
    optimizer.step()


class _Live(TorchDispatchMode):
    """Adds up the storages that exist, and remembers the most that did at once."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count([value for value in tree_leaves(result) if isinstance(value, torch.Tensor)])
        self.peak = max(self.peak, self._now + transient(func, args, result))
        return result

    def count(self, tensors: Sequence[torch.Tensor]) -> int:
        """Take note of tensors; the bytes that were not known before."""
        before = self._now
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self._now += storage.nbytes()
                weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self._now)
        return self._now - before

    def _forget(self, key: int, count: int) -> None:
        self._known.discard(key)
        self._now -= count


def _bytes(tensors: Sequence[torch.Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)
