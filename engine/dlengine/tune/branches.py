"""Independent branches of a network run together: in threads on a CPU, in streams on a GPU.

The results are equal to those of serial code, bit for bit, forwards and backwards. On a CPU, where cores are busy
already, it pays with fewer threads for each operator and several of them at work.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

import torch
from torch import fx, nn

from dlengine.tune.forks import Fan, Fork, forks, tensors, trace
from dlengine.tune.pure import pure
from dlengine.tune.workers import Apart, Branch, Workers

MARGIN = 0.95  # of the serial time: less is not worth another way of running
ROUNDS = 7


def together(model: nn.Module, x: torch.Tensor, *, rounds: int = ROUNDS) -> nn.Module:
    """A module with the model's parameters that runs its branches together, if that is faster on inputs like x.

    Otherwise, and for a model that cannot be traced or has no branches, the model itself. Gradients and statistics of
    the model stay as they are.
    """
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

    Where layers change between training and evaluation it goes back to the model itself, whose code may ask for that.
    `intervals`: when each branch of the last call began and ended, fork by fork, on the clock of `time.perf_counter`.
    """

    def __init__(self, model: nn.Module, graph: fx.Graph, found: list[Fork]) -> None:
        super().__init__()
        self.model = model
        self.intervals: list[list[tuple[float, float]]] = []
        self._modules_by_name = dict(model.named_modules())
        self._modes = [module.training for module in model.modules()]
        self._nodes = list(graph.nodes)
        self._forks = {fork.join: fork for fork in found}
        self._inside = {node for fork in found for branch in fork.branches for node in branch}
        self._weights = {fork.join: [self._weights_of(branch) for branch in fork.branches] for fork in found}
        self._workers = Workers(max(len(fork.branches) for fork in found))
        self._streams: list[torch.cuda.Stream] = []

    @classmethod
    def of(cls, model: nn.Module) -> Parallel | None:
        """The model with its branches together; None if it has none that are independent, or does more than compute."""
        graph = trace(model) if pure(model) else None
        found = [] if graph is None else forks(graph, dict(model.named_modules()))
        return None if graph is None or not found else cls(model, graph, found)

    def forward(self, *inputs: Any) -> Any:
        """What the model returns."""
        if self._modes != [module.training for module in self.model.modules()]:
            return self.model(*inputs)
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
        outputs = [[node for node in branch if fork.join in node.users] for branch in fork.branches]
        intervals = [(0.0, 0.0)] * len(fork.branches)

        def branch(number: int, x: Any) -> list[Any]:
            began = time.perf_counter()
            own = values | {fork.source: x}
            for node in fork.branches[number]:
                own[node] = self._call(node, own)
            intervals[number] = began, time.perf_counter()
            return [own[node] for node in outputs[number]]

        runs: list[Branch] = [partial(branch, number) for number in range(len(outputs))]
        source = values[fork.source]
        if not isinstance(source, torch.Tensor):
            results = [run(source) for run in runs]
        elif source.is_cuda:
            results, values[fork.source] = self._on_streams(runs, source)
        else:
            results, values[fork.source] = self._in_threads(runs, source, self._weights[fork.join])
        for nodes, found in zip(outputs, results, strict=True):
            values.update(zip(nodes, found, strict=True))
        self.intervals.append(intervals)

    def _in_threads(
        self, runs: list[Branch], source: torch.Tensor, weights: list[list[nn.Parameter]]
    ) -> tuple[list[list[Any]], torch.Tensor]:
        """What the branches return, and the source for the join."""
        if torch.is_grad_enabled():
            return Apart.of(self._workers, runs, source, weights)
        return self._workers.run([partial(run, source) for run in runs], gradients=False), source

    def _on_streams(self, runs: list[Branch], source: torch.Tensor) -> tuple[list[list[Any]], torch.Tensor]:
        """Each branch on a stream of its own, between an event before and one after; works inside a CUDA graph."""
        *copies, last = Fan.apply(source, len(runs) + 1) if source.requires_grad else (source,) * (len(runs) + 1)
        main = torch.cuda.current_stream()
        while len(self._streams) < len(runs) - 1:
            self._streams.append(torch.cuda.Stream())
        results = []
        for stream, run, x in zip(self._streams, runs[1:], copies[1:], strict=False):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                results.append(run(x))
        first = runs[0](copies[0])
        for stream, found in zip(self._streams, results, strict=False):
            main.wait_stream(stream)
            for value in found:
                if isinstance(value, torch.Tensor):
                    value.record_stream(main)
        return [first, *results], last

    def _weights_of(self, branch: list[fx.Node]) -> list[nn.Parameter]:
        used = [tensor for node in branch for tensor in tensors(node, self._modules_by_name)]
        return [tensor for tensor in used if isinstance(tensor, nn.Parameter)]

    def _attribute(self, target: str) -> Any:
        owner, _, name = target.rpartition(".")
        return getattr(self._modules_by_name[owner], name)

    def _call(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        arguments = fx.map_arg(node.args, values.__getitem__)
        named = fx.map_arg(node.kwargs, values.__getitem__)
        target: Any = node.target
        if node.op == "call_module":
            return self._modules_by_name[target](*arguments, **named)
        if node.op == "call_method":
            return getattr(arguments[0], target)(*arguments[1:], **named)
        return self._attribute(target) if node.op == "get_attr" else target(*arguments, **named)
