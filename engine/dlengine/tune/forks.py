"""Where a graph splits into branches that know nothing of each other until they meet again."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import fx, nn

_RANDOM_MODULES = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "RReLU")
_RANDOM_FUNCTIONS = ("dropout", "rrelu", "rand", "bernoulli", "multinomial", "normal", "poisson")


class Fork(NamedTuple):
    """`source` feeds the `branches`, each a list of nodes in order, which `join` brings together."""

    source: fx.Node
    branches: list[list[fx.Node]]
    join: fx.Node


class _Tracer(fx.Tracer):
    """Modules without children are one node, also those that are not torch's."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return super().is_leaf_module(module, name) or not list(module.children())


def trace(model: nn.Module) -> fx.Graph | None:
    """The calls of the model, read off a copy; None where that is not possible."""
    try:
        return _Tracer().trace(copy.deepcopy(model))
    except Exception:  # a user's forward may raise anything when it is given symbols
        return None


def forks(graph: fx.Graph, modules: dict[str, nn.Module]) -> list[Fork]:
    """All forks of at least two branches with work in them; none with random numbers, whose order would change."""
    place = {node: number for number, node in enumerate(graph.nodes)}
    after = _descendants(graph)
    found: list[Fork] = []
    taken: set[fx.Node] = set()
    for source in graph.nodes:
        fork = None if source in taken else _fork(source, place, after)
        inside = [] if fork is None else [node for branch in fork.branches for node in branch]
        if fork is None or any(_random(node, modules) or _overwrites(node, source, modules) for node in inside):
            continue
        found.append(fork)
        taken.update(inside)
    return found


def _descendants(graph: fx.Graph) -> dict[fx.Node, set[fx.Node]]:
    after: dict[fx.Node, set[fx.Node]] = {}
    for node in reversed(graph.nodes):
        after[node] = set().union(*({user} | after[user] for user in node.users))
    return after


def _fork(source: fx.Node, place: dict[fx.Node, int], after: dict[fx.Node, set[fx.Node]]) -> Fork | None:
    users = sorted(source.users, key=place.__getitem__)
    if len(users) < 2:
        return None
    common = set.intersection(*({user} | after[user] for user in users))
    if not common:
        return None
    join = min(common, key=place.__getitem__)
    branches = []
    for user in users:
        inside = ({user} | after[user]) - {join} - after[join]
        branches.append(sorted(inside, key=place.__getitem__))
    own = [set(branch) for branch in branches if branch]
    alone = sum(map(len, own)) == len(set().union(*own)) if own else False
    closed = all(
        set(node.all_input_nodes) <= inside | {source} and set(node.users) <= inside | {join}
        for inside in own
        for node in inside
    )
    return Fork(source, [branch for branch in branches if branch], join) if alone and closed and len(own) > 1 else None


def _random(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        name = type(modules[str(node.target)]).__name__
        return name.startswith(_RANDOM_MODULES) or name in ("LSTM", "GRU", "RNN", "MultiheadAttention")
    target: Any = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    return any(word in name for word in _RANDOM_FUNCTIONS)


def _overwrites(node: fx.Node, source: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a branch changes what the others read."""
    module = modules[str(node.target)] if node.op == "call_module" else None
    inplace = getattr(module, "inplace", False) or node.kwargs.get("inplace") or str(node.target).endswith("_")
    return bool(inplace) and source in node.all_input_nodes


class Fan(torch.autograd.Function):
    """A value for each of its users. Their gradients add up in the order of serial code, the last user's first."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, users: int) -> tuple[torch.Tensor, ...]:
        """The same numbers, once for each user."""
        return tuple(x.view_as(x) for _ in range(users))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, None]:
        """The sum."""
        total: torch.Tensor | None = None
        for gradient in reversed(gradients):
            if gradient is not None:
                total = gradient if total is None else total + gradient
        return total, None
