"""From a symbol to a torch module: weights get their shapes and values, the graph becomes one of torch.fx."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from dlengine.errors import EngineError, unknown
from dlengine.initial import INITIALIZERS, seeded
from dlengine.symbol.call import Call, fill
from dlengine.symbol.infer import Laid, build, module_of, walk
from dlengine.symbol.network import Network
from dlengine.symbol.node import Graph, Node
from dlengine.symbol.registry import OPERATORS, Step
from dlengine.symbol.symbol import Symbol

Initializer = Callable[[nn.Module], None]


def bind(
    symbol: Symbol,
    *shape: Any,
    seed: int | None = 0,
    init: str | Initializer | None = "xavier",
    device: str | torch.device = "cpu",
    **shapes: Any,
) -> Network:
    """A torch module that computes the symbol, for inputs of these shapes (any batch size, once bound).

    shape: of the only input, or of the inputs in order; or by name, `data=(64, 1, 28, 28)`.
    seed: of the initial weights; None draws from torch's generator. init: "xavier", "kaiming" (for deep ReLU networks),
    a function for `Module.apply` on every layer, or None for torch's own. device: "meta" for a network without memory.
    The module is a torch.fx GraphModule of standard layers, called as in the graph, so that `state_dict` reads
    `fc1.weight`. Raises EngineError that names the layer which cannot take its input.
    """
    if isinstance(init, str):
        if init not in INITIALIZERS:
            raise unknown("initializer", init, INITIALIZERS)
        init = INITIALIZERS[init]
    graph = symbol.graph
    try:
        torch.device(device)
    except RuntimeError:
        raise EngineError(f"unknown device {device!r}", 'use "cpu", "cuda", "cuda:N" or "meta"') from None
    laid = walk(graph, shape, shapes)
    with seeded(seed), torch.device(device):
        modules = _modules(graph, laid)
        if init is not None:
            for node, module in modules.values():
                if node.op != "Module":
                    module.apply(init)
    held = {name: module for name, (_, module) in modules.items()} | _parameters(graph, modules, device)
    return _assemble(graph, laid, held)


def _modules(graph: Graph, laid: list[Laid]) -> dict[str, tuple[Node, nn.Module]]:
    """Every layer with values, by the name under which the network holds it."""
    modules: dict[str, tuple[Node, nn.Module]] = {}
    for one in laid:
        if one.module is None:
            continue
        name = graph.layer(one.node)
        _check_name(name, modules)
        if name not in modules:
            module = module_of(build(one.node, one.inputs))
            assert module is not None
            modules[name] = one.node, module
    return modules


def _parameters(graph: Graph, modules: dict[str, Any], device: str | torch.device) -> dict[str, torch.Tensor]:
    """Weights that belong to no layer, copied."""
    found: dict[str, torch.Tensor] = {}
    for node in graph.nodes:
        if node.op == "Parameter":
            _check_name(graph.layer(node), modules)
            copied = node.held.detach().clone().to(device)
            learns = isinstance(node.held, nn.Parameter)
            found[graph.layer(node)] = nn.Parameter(copied, node.held.requires_grad) if learns else copied
    return found


def _check_name(name: str, others: dict[str, Any]) -> None:
    """A layer lives as an attribute of the network, and of the layers that its name begins with."""
    if hasattr(Network, name.partition(".")[0]) or name.partition(".")[0] in ("graph", "code", "meta", "training"):
        raise EngineError(f"a layer cannot be called '{name}'", "torch modules have an attribute of that name")
    inside = next((other for other in others if other.startswith(f"{name}.") or name.startswith(f"{other}.")), None)
    if inside is not None:
        raise EngineError(f"the layers '{name}' and '{inside}' lie inside each other", "rename one of them")


def _assemble(graph: Graph, laid: list[Laid], held: dict[str, Any]) -> Network:
    flow = fx.Graph()
    values: dict[Node, tuple[Any, ...]] = {}
    for one in laid:
        node = one.node
        if node.op == "Variable":
            values[node] = (flow.placeholder(graph.names[node]),)
            continue
        if node.op == "Parameter":
            values[node] = (flow.get_attr(graph.layer(node)),)
            continue
        value: Any = [values[parent][index] for parent, index in node.inputs]
        for step in one.steps:
            value = [_emit(flow, step, graph.layer(node), value)]
        values[node] = _pick(flow, node, value[0])
    results = tuple(values[node][index] for node, index in graph.outputs)
    flow.output(results if len(results) > 1 else results[0])
    flow.lint()
    heads = [
        graph.layer(node) if node.op in OPERATORS and OPERATORS[node.op].family == "output" else None
        for node, _ in graph.outputs
    ]
    return Network(held, flow, heads)


def _emit(flow: fx.Graph, step: Step, target: str, inputs: list[fx.Node]) -> fx.Node:
    if isinstance(step, nn.Module):
        return flow.call_module(target, tuple(inputs))
    assert isinstance(step, Call)
    args, kwargs = fill(step.args, inputs), fill(step.kwargs, inputs)
    if isinstance(step.function, str):
        return flow.call_method(step.function, tuple(args), kwargs)
    if isinstance(step.function, nn.Module):
        return flow.call_module(target, tuple(args), kwargs)
    return flow.call_function(step.function, tuple(args), kwargs)


def _pick(flow: fx.Graph, node: Node, value: fx.Node) -> tuple[fx.Node, ...]:
    """The outputs of a node in what its layer returns."""
    paths = OPERATORS[node.op].outputs(node.params) if node.op in OPERATORS else ((),)
    found = []
    for path in paths:
        part = value
        for index in path:
            part = flow.call_function(operator.getitem, (part, index))
        found.append(part)
    return tuple(found)
