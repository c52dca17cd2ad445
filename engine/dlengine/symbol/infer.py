"""Shapes of everything in a graph from those of its inputs, computed on torch's meta device, without memory."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.symbol.blame import blame
from dlengine.symbol.call import Call
from dlengine.symbol.functions import FUNCTIONS
from dlengine.symbol.names import output_names
from dlengine.symbol.node import Graph, Node
from dlengine.symbol.python import PythonFunction
from dlengine.symbol.registry import OPERATORS, Step


class Shapes(NamedTuple):
    """Shapes by name: inputs and weights, outputs, and states that are not trained."""

    arguments: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    auxiliary: dict[str, tuple[int, ...]]


@dataclass
class Laid:
    """A node whose inputs are known: the steps that compute it and its values, on the meta device."""

    node: Node
    steps: list[Step]
    inputs: list[Any]
    outputs: tuple[Any, ...]

    @property
    def module(self) -> nn.Module | None:
        """The module among the steps."""
        return module_of(self.steps)


def walk(graph: Graph, shape: tuple[Any, ...], shapes: dict[str, Any]) -> list[Laid]:
    """Every node in order, computed on the meta device."""
    given = input_shapes(graph, shape, shapes)
    laid: dict[Node, Laid] = {}
    shared: dict[str, Node] = {}
    with torch.no_grad(), torch.device("meta"):
        for node in graph.nodes:
            if has_layer(node):
                _check_shared(graph, shared.setdefault(graph.layer(node), node), node)
            inputs = [laid[parent].outputs[index] for parent, index in node.inputs]
            if node.op == "Variable":
                laid[node] = Laid(node, [], [], (torch.empty(given[graph.names[node]], dtype=_dtype(graph, node)),))
            elif node.op == "Parameter":
                laid[node] = Laid(node, [], [], (node.held.to("meta"),))
            else:
                laid[node] = _lay(graph, node, inputs)
    return list(laid.values())


def input_shapes(graph: Graph, shape: tuple[Any, ...], shapes: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every variable, from what the caller gave and what the variables say themselves."""
    names = [graph.names[node] for node in graph.variables]
    if len(shape) > len(names):
        raise EngineError(f"{len(shape)} shapes for {len(names)} inputs ({', '.join(names)})")
    found = {graph.names[node]: node.params["shape"] for node in graph.variables if "shape" in node.params}
    found |= dict(zip(names, shape, strict=False)) | shapes
    for name in found:
        if name not in names:
            raise EngineError(f"a shape for '{name}', which is no input", f"the inputs are: {', '.join(names)}")
    for name in names:
        if name not in found:
            raise EngineError(f"the shape of '{name}' is not known", f"give it: {name}=(batch, ...)")
        sizes = found[name]
        right = isinstance(sizes, tuple | list | torch.Size) and all(isinstance(n, int) and n > 0 for n in sizes)
        if not right or not sizes:
            raise EngineError(
                f"{name}={sizes!r} is no shape", "give whole numbers above 0, the batch first: (64, 1, 28, 28)"
            )
        found[name] = tuple(sizes)
    for node in graph.variables:
        wanted, given = node.params.get("shape", ()), found[graph.names[node]]
        for axis in node.params.get("fixed", ()):
            if given[axis : axis + 1] != wanted[axis : axis + 1]:
                raise EngineError(f"'{graph.names[node]}' has shape {given}, and its graph holds for {wanted} only")
    return found


def _dtype(graph: Graph, node: Node) -> torch.dtype:
    """What a variable holds: as it says, or whole numbers where an Embedding reads them, else float32."""
    if "dtype" in node.params:
        dtype = getattr(torch, node.params["dtype"], None)
        if not isinstance(dtype, torch.dtype):
            raise EngineError(
                f"{graph.describe(node)}: unknown dtype {node.params['dtype']!r}", "'float32' or 'int64', say"
            )
        return dtype
    readers = [other.op for other in graph.nodes for parent, _ in other.inputs if parent is node]
    return torch.int64 if "Embedding" in readers else torch.float32


def build(node: Node, inputs: list[Any]) -> list[Step]:
    """What computes a node, given its inputs (or values of their shape), on torch's default device."""
    if node.op in OPERATORS:
        for value in inputs:
            if not isinstance(value, torch.Tensor):
                raise EngineError(
                    f"an input is a {type(value).__name__}", "give a tensor; choose one from a tuple by [0]"
                )
        steps = OPERATORS[node.op].build(*[tuple(value.shape) for value in inputs], **node.params)
        return steps if isinstance(steps, list) else [steps]
    if node.op == "Function":
        return [PythonFunction(node.held[0], node.params["args"], node.params["kwargs"])]
    if node.op == "Module":
        return [
            Call(copy.deepcopy(node.held).to(torch.get_default_device()), node.params["args"], node.params["kwargs"])
        ]
    return [Call(FUNCTIONS[node.op], node.params["args"], node.params["kwargs"])]


def has_layer(node: Node) -> bool:
    """Whether a node may hold a module or weights of its own."""
    return node.op in OPERATORS or node.op in ("Module", "Parameter")


def module_of(steps: list[Step]) -> nn.Module | None:
    """The one module among the steps of a node, itself a step or called by one."""
    found = (step.function if isinstance(step, Call) else step for step in steps)
    return next((module for module in found if isinstance(module, nn.Module)), None)


def outputs_of(node: Node, value: Any) -> tuple[Any, ...]:
    """The outputs of a node in what its layer returned."""
    if node.op not in OPERATORS:
        return (value,)
    found = []
    for path in OPERATORS[node.op].outputs(node.params):
        part = value
        for index in path:
            part = part[index]
        found.append(part)
    return tuple(found)


def _lay(graph: Graph, node: Node, inputs: list[Any]) -> Laid:
    try:
        steps = build(node, inputs)
        value: Any = _dry_run(node, steps[0], inputs) if node.op == "Function" else run(steps, inputs)
        return Laid(node, steps, inputs, outputs_of(node, value))
    except Exception as error:  # a layer fails in as many ways as torch and the caller's functions have
        raise blame(graph.describe(node), inputs, error) from None


def run(steps: list[Step], inputs: list[Any]) -> Any:
    """What the steps, one after another, make of the inputs."""
    value: Any = inputs
    module = module_of(steps)
    if module is not None:
        module.eval()  # a batch of one must pass through BatchNorm
    for step in steps:
        value = [step(*value)]
    return value[0]


def _dry_run(node: Node, function: Step, inputs: list[Any]) -> Any:
    """A Python function's output shape: as its `shape=` says, or from a call on zeros; torch's own need no memory."""
    wanted = node.held[1]
    if wanted is not None:
        return torch.empty(tuple(wanted(*[tuple(value.shape) for value in inputs])))
    if str(getattr(node.held[0], "__module__", "")).startswith("torch"):
        return function(*inputs)
    with torch.device("cpu"):
        zeros = [torch.zeros_like(v, device="cpu") if isinstance(v, torch.Tensor) else v for v in inputs]
        result = function(*zeros)
    return result.to("meta") if isinstance(result, torch.Tensor) else result


def _check_shared(graph: Graph, first: Node, second: Node) -> None:
    """Layers that share weights must be the same."""
    if (first.op, first.params, first.held) != (second.op, second.params, second.held):
        raise EngineError(
            f"{graph.describe(first)} and {graph.describe(second)} share the weights '{graph.layer(first)}' but differ",
            "give both the same operator and parameters",
        )


def infer_shape(graph: Graph, shape: tuple[Any, ...], shapes: dict[str, Any]) -> Shapes:
    """All shapes of a graph."""
    arguments: dict[str, tuple[int, ...]] = {}
    auxiliary: dict[str, tuple[int, ...]] = {}
    values: dict[Node, tuple[Any, ...]] = {}
    for laid in walk(graph, shape, shapes):
        values[laid.node] = laid.outputs
        if laid.node.op == "Variable":
            arguments[graph.names[laid.node]] = tuple(laid.outputs[0].shape)
        elif laid.node.op == "Parameter":
            kind = arguments if isinstance(laid.node.held, nn.Parameter) else auxiliary
            kind[graph.layer(laid.node)] = tuple(laid.outputs[0].shape)
        elif laid.module is not None:
            layer = graph.layer(laid.node)
            arguments |= {f"{layer}.{name}": tuple(value.shape) for name, value in laid.module.named_parameters()}
            auxiliary |= {f"{layer}.{name}": tuple(value.shape) for name, value in laid.module.named_buffers()}
    outputs = [tuple(getattr(values[node][index], "shape", ())) for node, index in graph.outputs]
    return Shapes(arguments, dict(zip(output_names(graph), outputs, strict=True)), auxiliary)
