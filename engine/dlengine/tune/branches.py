"""Independent branches of a network run together: in threads on a CPU, in streams on a GPU.

`together(model, x)` measures both ways, and returns the model itself when it does not pay. On CPUs that is the rule:
their cores are busy already (Inception v1 on two of them: 0.74 of the speed). The results are equal, bit for bit.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import fx, nn

from dlengine.tune.forks import Fan, Fork, forks, trace

MARGIN = 0.95  # of the serial time: less is not worth another way of running
ROUNDS = 7


def together(model: nn.Module, x: torch.Tensor, *, rounds: int = ROUNDS) -> nn.Module:
    """A module with the model's parameters that runs its branches together, if that is faster on inputs like x.

    Otherwise, and for a model that cannot be traced or has no branches, the model itself. Gradients and statistics of
    the model stay as they are.
    """
    if torch.cuda.is_available() and not x.is_cuda:
        return model
    parallel = Parallel.of(model)
    if parallel is None:
        return model
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    times: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        for found, module in zip(times, (model, parallel), strict=True):
            took = seconds(module, x)
            if number:  # the first round prepares kernels
                found.append(took)
    with torch.no_grad():
        for buffer, before in kept:
            buffer.copy_(before)
    serial, both = map(statistics.median, times)
    return parallel if both < MARGIN * serial else model


def seconds(module: nn.Module, x: torch.Tensor) -> float:
    """Wall time of a forward and a backward pass, which leaves no gradient behind."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    began = time.perf_counter()
    torch.autograd.grad(module(x).sum(), parameters, allow_unused=True)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - began


class Parallel(nn.Module):
    """A traced model whose branches run together; its parameters are the model's.

    `intervals`: when each branch of the last call began and ended, fork by fork, on the clock of `time.perf_counter`.
    """

    def __init__(self, model: nn.Module, graph: fx.Graph, found: list[Fork]) -> None:
        super().__init__()
        self.model = model
        self.intervals: list[list[tuple[float, float]]] = []
        self._modules_by_name = dict(model.named_modules())
        self._nodes = list(graph.nodes)
        self._forks = {fork.join: fork for fork in found}
        self._inside = {node for fork in found for branch in fork.branches for node in branch}
        widest = max(len(fork.branches) for fork in found)
        self._pool = ThreadPoolExecutor(min(widest, os.cpu_count() or 1), thread_name_prefix="branch")

    @classmethod
    def of(cls, model: nn.Module) -> Parallel | None:
        """The model with its branches together; None if it has none that are independent."""
        graph = trace(model)
        found = [] if graph is None else forks(graph, dict(model.named_modules()))
        return None if graph is None or not found else cls(model, graph, found)

    def forward(self, *inputs: Any) -> Any:
        """What the model returns."""
        self.intervals = []
        values: dict[fx.Node, Any] = {}
        given = iter(inputs)
        for node in self._nodes:
            if node.op == "placeholder":
                values[node] = next(given, node.args[0] if node.args else None)
            elif node.op == "output":
                return fx.map_arg(node.args[0], values.__getitem__)
            elif node not in self._inside:
                if node in self._forks:
                    self._run(self._forks[node], values)
                values[node] = self._call(node, values)
        raise AssertionError("a graph ends with its output")

    def _run(self, fork: Fork, values: dict[fx.Node, Any]) -> None:
        """All branches of a fork; the join finds their values, and its own copy of the source if it reads that too."""
        direct = fork.source in fork.join.all_input_nodes
        source = values[fork.source]
        users = len(fork.branches) + direct
        copies = Fan.apply(source, users) if source.requires_grad else (source,) * users
        if direct:
            values[fork.source] = copies[-1]
        starts = [values | {fork.source: mine} for mine in copies[: len(fork.branches)]]
        run = self._on_streams if isinstance(source, torch.Tensor) and source.is_cuda else self._in_threads
        results = run([self._branch(nodes, start) for nodes, start in zip(fork.branches, starts, strict=True)])
        self.intervals.append([interval for interval, _ in results])
        for _, found in results:
            values.update(found)

    def _branch(self, nodes: list[fx.Node], values: dict[fx.Node, Any]) -> Callable[[], Any]:
        def run() -> tuple[tuple[float, float], dict[fx.Node, Any]]:
            began = time.perf_counter()
            for node in nodes:
                values[node] = self._call(node, values)
            return (began, time.perf_counter()), {node: values[node] for node in nodes}

        return run

    def _in_threads(self, branches: list[Callable[[], Any]]) -> list[Any]:
        """One branch here and the others in the pool, with this thread's gradient mode."""
        enabled = torch.is_grad_enabled()

        def run(branch: Callable[[], Any]) -> Any:
            with torch.set_grad_enabled(enabled):
                return branch()

        waiting: list[Future[Any]] = [self._pool.submit(run, branch) for branch in branches[1:]]
        return [branches[0](), *[future.result() for future in waiting]]

    def _on_streams(self, branches: list[Callable[[], Any]]) -> list[Any]:
        """Each branch on a stream of its own, between an event before and one after; works inside a CUDA graph."""
        main = torch.cuda.current_stream()
        streams = [torch.cuda.Stream() for _ in branches[1:]]
        results = []
        for stream, branch in zip(streams, branches[1:], strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                results.append(branch())
        first = branches[0]()
        for stream, (_, found) in zip(streams, results, strict=True):
            main.wait_stream(stream)
            for value in found.values():
                if isinstance(value, torch.Tensor):
                    value.record_stream(main)
        return [first, *results]

    def _call(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        arguments = fx.map_arg(node.args, values.__getitem__)
        named = fx.map_arg(node.kwargs, values.__getitem__)
        target: Any = node.target
        if node.op == "call_module":
            return self._modules_by_name[target](*arguments, **named)
        if node.op == "call_method":
            return getattr(arguments[0], target)(*arguments[1:], **named)
        if node.op == "get_attr":
            owner, _, name = target.rpartition(".")
            return getattr(self._modules_by_name[owner], name)
        return target(*arguments, **named)
