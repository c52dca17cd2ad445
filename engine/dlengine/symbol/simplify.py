"""Captured graphs made smaller without changing a bit of their results."""

from __future__ import annotations

from typing import Any

from torch import fx

from dlengine.symbol.functions import name_of

_RANDOM = ("nn.dropout",)


def simplify(module: fx.GraphModule) -> None:
    """Compute equal expressions once, and what nobody reads not at all.

    Nothing is done to a graph in which something is computed in place or by chance, where order and number matter.
    """
    if not all(_pure(module, node) for node in module.graph.nodes):
        return
    results = {result for node in module.graph.nodes if node.op == "output" for result in node.all_input_nodes}
    known: dict[Any, fx.Node] = {}
    for node in list(module.graph.nodes):
        if node.op not in ("call_function", "call_method") or node in results:
            continue  # two results must not be one tensor
        key = (node.op, node.target, repr(node.args), repr(node.kwargs))
        same = known.setdefault(key, node)
        if same is not node:
            node.replace_all_uses_with(same)
            module.graph.erase_node(node)
    for node in reversed(list(module.graph.nodes)):
        if node.op in ("call_function", "call_method") and not node.users:
            module.graph.erase_node(node)
    module.graph.lint()
    module.recompile()


def _pure(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return not any(getattr(part, "inplace", False) for part in module.get_submodule(str(node.target)).modules())
    if node.op == "call_method":
        return not str(node.target).endswith("_")
    if node.op == "call_function":
        name = "getattr" if node.target is getattr else name_of(node.target)
        in_place = node.kwargs.get("inplace") or "out" in node.kwargs or any(arg is True for arg in node.args)
        return name is not None and name not in _RANDOM and not in_place
    return True
