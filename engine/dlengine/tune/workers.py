"""Threads for the branches of a network, with the caller's modes of torch, forwards and backwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import torch
from torch import nn

Branch = Callable[[torch.Tensor], list[Any]]  # from a fork's source to what its join reads


class Workers:
    """As many threads as the machine has room for, each with the caller's number of torch's own threads.

    With another number torch would add up in another order, and the results would not be equal bit for bit.
    """

    def __init__(self, widest: int) -> None:
        self._widest = widest
        self._threads = 0

    def _pool_of(self, threads: int) -> ThreadPoolExecutor:
        if threads != self._threads:
            self._threads, count = threads, max(2, len(os.sched_getaffinity(0)) // threads)
            self._pool = ThreadPoolExecutor(
                min(self._widest, count), "branch", initializer=torch.set_num_threads, initargs=(threads,)
            )
        return self._pool

    def run(self, tasks: Sequence[Callable[[], Any]], *, gradients: bool) -> list[Any]:
        """The tasks' results, under the caller's autocast. When one fails, all end before its error is raised."""
        cast, kind = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

        def within(task: Callable[[], Any]) -> Any:
            with torch.set_grad_enabled(gradients), torch.autocast("cpu", kind, enabled=cast):
                return task()

        pool = self._pool_of(torch.get_num_threads())
        futures = [pool.submit(within, task) for task in tasks]
        wait(futures)
        return [future.result() for future in futures]


class Apart(torch.autograd.Function):
    """Branches side by side in both directions; by itself torch goes backward on a CPU in a single thread.

    Gradients of the source add up in the order of serial code, the last reader's first, and so are equal bit for bit.
    """

    @classmethod
    def of(
        cls,
        workers: Workers,
        branches: Sequence[Branch],
        source: torch.Tensor,
        weights: list[list[nn.Parameter]],
    ) -> tuple[list[list[Any]], torch.Tensor]:
        """What each branch returns, and the source for whoever else reads it; weights: those of each branch."""
        shape: list[int] = []  # how many results each branch has, known when they are there
        counts = [len(part) for part in weights]
        *flat, last = cls.apply(workers, branches, shape, counts, source, *(one for part in weights for one in part))
        rest = iter(flat)
        return [[next(rest) for _ in range(count)] for count in shape], last

    @staticmethod
    def forward(
        ctx: Any,
        workers: Workers,
        branches: Sequence[Branch],
        shape: list[int],
        counts: list[int],
        source: torch.Tensor,
        *weights: nn.Parameter,
    ) -> tuple[Any, ...]:
        """All results in a row, cut off from the branches' own graphs, which `backward` goes through."""
        sources = [source.detach().requires_grad_(source.requires_grad) for _ in branches]
        tasks = [partial(run, x) for run, x in zip(branches, sources, strict=True)]
        results = workers.run(tasks, gradients=True)
        shape += [len(part) for part in results]
        ctx.workers, ctx.branches = workers, []
        rest = iter(weights)
        for x, part, count in zip(sources, results, counts, strict=True):
            ctx.branches.append((part, [x, *(next(rest) for _ in range(count))]))
        ctx.set_materialize_grads(False)
        flat = [value for part in results for value in part]
        return *(value.detach() if isinstance(value, torch.Tensor) else value for value in flat), source.view_as(source)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[Any, ...]:
        """The branches' backward passes."""
        *given, total = gradients
        rest = iter(given)
        tasks = [partial(_backward, part, [next(rest) for _ in part], wanted) for part, wanted in ctx.branches]
        found = ctx.workers.run(tasks, gradients=False)
        ctx.branches = None
        for of_source, *_ in reversed(found):
            if of_source is not None:
                total = of_source if total is None else total + of_source
        return None, None, None, None, total, *(one for _, *of_weights in found for one in of_weights)


def _backward(results: list[Any], given: list[torch.Tensor | None], wanted: list[torch.Tensor]) -> list[Any]:
    """The gradients of what is wanted; None where there is none."""
    pairs = [pair for pair in zip(results, given, strict=True) if pair[1] is not None and pair[0].requires_grad]
    asked = [value for value in wanted if value.requires_grad]
    if not pairs or not asked:
        return [None] * len(wanted)
    outputs, gradients = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(outputs, asked, gradients, allow_unused=True))
    return [next(found) if value.requires_grad else None for value in wanted]
