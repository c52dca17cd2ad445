"""A table of a graph's layers: shapes, parameters, work and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from dlengine.symbol.infer import Laid, run, walk
from dlengine.symbol.node import Graph


@dataclass(frozen=True)
class Row:
    """One layer. `multiply_adds` are those of matrix products, convolutions and attention, for the whole batch.

    `parameters` of shared weights count where they are used first. `memory` are the bytes of the output.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    memory: int

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition are two."""
        return 2 * self.multiply_adds


@dataclass(frozen=True)
class Summary:
    """All layers and their sums; `str()` is the table. Memory in bytes: of the weights, and of all outputs together."""

    rows: tuple[Row, ...]
    weights_memory: int

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    @property
    def flops(self) -> int:
        return sum(row.flops for row in self.rows)

    @property
    def memory(self) -> int:
        return sum(row.memory for row in self.rows)

    def __str__(self) -> str:
        head = ("layer", "operator", "input from", "output", "parameters", "multiply-adds", "memory")
        lines = [head] + [
            (
                row.name,
                row.op,
                ", ".join(row.inputs),
                " x ".join(map(str, row.output)),
                f"{row.parameters:,}",
                f"{row.multiply_adds:,}",
                size(row.memory),
            )
            for row in self.rows
        ]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        texts = [
            "  ".join(
                cell.rjust(width) if column > 3 else cell.ljust(width) for column, (cell, width) in enumerate(pairs)
            )
            for pairs in (zip(line, widths, strict=True) for line in lines)
        ]
        rule = "-" * len(texts[0])
        total = (
            f"{self.parameters:,} parameters ({size(self.weights_memory)}), {short(self.multiply_adds)} multiply-adds "
            f"({short(self.flops)}FLOP), {size(self.memory)} of outputs"
        )
        return "\n".join([texts[0], rule, *texts[1:], rule, total])


def summarize(graph: Graph, shape: tuple[Any, ...], shapes: dict[str, Any]) -> Summary:
    """The table for these input shapes, without computing anything or needing memory."""
    rows, seen, weights = [], set(), 0
    for laid in walk(graph, shape, shapes):
        layer, parameters = graph.layer(laid.node), 0
        if laid.module is not None and layer not in seen:
            seen.add(layer)
            parameters = sum(weight.numel() for weight in laid.module.parameters())
            weights += sum(weight.nbytes for weight in laid.module.parameters())
        elif isinstance(laid.node.held, torch.nn.Parameter) and layer not in seen:
            seen.add(layer)
            parameters, weights = laid.node.held.numel(), weights + laid.node.held.nbytes
        outputs = [value for value in laid.outputs if isinstance(value, torch.Tensor)]
        rows.append(
            Row(
                name=graph.names[laid.node],
                op=laid.node.op,
                inputs=tuple(dict.fromkeys(graph.names[parent] for parent, _ in laid.node.inputs)),
                output=tuple(outputs[0].shape) if outputs else (),
                parameters=parameters,
                multiply_adds=_multiply_adds(laid),
                memory=sum(value.nbytes for value in outputs),
            )
        )
    return Summary(tuple(rows), weights)


def _multiply_adds(laid: Laid) -> int:
    """Counted by torch's FLOP counter, which knows matrix products, convolutions and attention."""
    if not laid.steps or laid.node.op == "Function":
        return 0
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        run(laid.steps, laid.inputs)
    return counter.get_total_flops() // 2


def size(number: int) -> str:
    """Bytes, readably."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024  # type: ignore[assignment]
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def short(number: float) -> str:
    """A count with a prefix, to four digits: 1.583 G."""
    for prefix in ("", "k", "M", "G", "T"):
        if number < 1000 or prefix == "T":
            break
        number /= 1000
    return f"{number:.4g} {prefix}"
