"""Names of what goes into a graph, is kept in it, and comes out, before any shape is known."""

from __future__ import annotations

from torch import nn

from dlengine.symbol.node import Graph, Node
from dlengine.symbol.registry import OPERATORS


def output_count(node: Node) -> int:
    """How many outputs a node has."""
    return len(OPERATORS[node.op].outputs(node.params)) if node.op in OPERATORS else 1


def argument_names(graph: Graph) -> list[str]:
    """Inputs and weights, in order."""
    return _weights(graph, states=False)


def state_names(graph: Graph) -> list[str]:
    """Buffers, in order."""
    return _weights(graph, states=True)


def _weights(graph: Graph, *, states: bool) -> list[str]:
    names: dict[str, None] = {}
    for node in graph.nodes:
        if node.op == "Variable" and not states:
            names[graph.names[node]] = None
        layer = graph.layer(node)
        if node.op in OPERATORS:
            found = OPERATORS[node.op]
            names |= dict.fromkeys(
                f"{layer}.{name}" for name in (found.states if states else found.weights)(node.params)
            )
        elif node.op == "Parameter" and states is not isinstance(node.held, nn.Parameter):
            names[layer] = None
        elif node.op == "Module":
            held = node.held.named_buffers() if states else node.held.named_parameters()
            names |= dict.fromkeys(f"{layer}.{name}" for name, _ in held)
    return list(names)


def output_names(graph: Graph) -> list[str]:
    """`layer_output`, or `layer_output1` for a further one of the same layer."""
    return [f"{graph.names[node]}_output{index or ''}" for node, index in graph.outputs]
