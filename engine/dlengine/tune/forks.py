"""Where a graph splits into branches that know nothing of each other until they meet again."""

from __future__ import annotations

import copy
from collections import Counter
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


def trace(model: nn.Module) -> fx.Graph | None:
    """The calls of the model, read off a copy; None where that is not possible, or draws a random number."""
    random = torch.get_rng_state()
    try:
        found = fx.Tracer().trace(copy.deepcopy(model))
        return found if torch.equal(random, torch.get_rng_state()) else None
    except Exception:  # a user's forward may raise anything when it is given symbols
        return None
    finally:
        torch.set_rng_state(random)


def forks(graph: fx.Graph, modules: dict[str, nn.Module]) -> list[Fork]:
    """All forks of at least two branches with work in them.

    None with random numbers, whose order would change, and none with parameters that are used elsewhere too, whose
    gradients would add up in another order.
    """
    place = {node: number for number, node in enumerate(graph.nodes)}
    after = _descendants(graph)
    times = Counter(tensor for node in graph.nodes for tensor in tensors(node, modules))
    shared = {tensor for tensor, count in times.items() if count > 1}
    found: list[Fork] = []
    taken: set[fx.Node] = set()
    for source in graph.nodes:
        fork = None if source in taken else _fork(source, place, after)
        inside = [] if fork is None else [node for branch in fork.branches for node in branch]
        if fork is None or any(
            random(node, modules) or _overwrites(node, source, modules) or not shared.isdisjoint(tensors(node, modules))
            for node in inside
        ):
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


def tensors(node: fx.Node, modules: dict[str, nn.Module]) -> list[torch.Tensor]:
    """The parameters and buffers that a node uses."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        return [*module.parameters(), *module.buffers()]
    if node.op != "get_attr":
        return []
    owner, _, name = str(node.target).rpartition(".")
    value = getattr(modules[owner], name)
    return [value] if isinstance(value, torch.Tensor) else []


def random(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a node of a traced model draws random numbers, or may."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        name = type(module).__name__
        drops = name.startswith(_RANDOM_MODULES) and getattr(module, "p", None) != 0
        return drops or name in ("LSTM", "GRU", "RNN", "MultiheadAttention")
    target: Any = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    if name == "scaled_dot_product_attention":
        return bool(node.kwargs.get("dropout_p", node.args[4] if len(node.args) > 4 else 0))
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
