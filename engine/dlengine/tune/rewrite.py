"""ReLU layers that may run in place or after the max pooling that follows them: found, switched, and switched back.

The model keeps its modules, names and weights; only what some layers do inside their call changes. Both changes give
the same numbers, bit for bit. Maximum and ReLU commute, since both are monotone; so do their gradients: a window whose
maximum is positive picks the same element in either order, and every other window has a gradient of zero.
"""

from __future__ import annotations

import copy
import io
import operator
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import fx, nn

# Nothing of these is read again in the backward pass from their output.
_SAFE_MODULES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_SAFE_FUNCTIONS = (operator.add, torch.add, torch.cat)


def find(model: nn.Module) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Names of ReLU layers that may run in place, and pairs of a ReLU and a MaxPool2d that may change places.

    Read from a symbolic trace of a copy: a model that cannot be copied or traced yields none.
    """
    relus = [name for name, module in model.named_modules() if type(module) is nn.ReLU]
    if not relus:
        return (), ()
    graph = trace(model)
    if graph is None:
        return (), ()
    modules = dict(model.named_modules())
    calls: dict[str, list[fx.Node]] = {name: [] for name in modules}
    for node in graph.nodes:
        if node.op == "call_module":
            calls[str(node.target)].append(node)
    pairs, inplace = [], []
    for name in relus:
        relu, nodes = modules[name], calls[name]
        pool = _following_pool(nodes, modules, calls)
        if not nodes or watched(relu):
            continue
        if pool is not None:
            pairs.append((name, pool))
        elif not getattr(relu, "inplace", True) and all(_may_overwrite(_input(node), modules) for node in nodes):
            inplace.append(name)
    return tuple(inplace), tuple(pairs)


def trace(model: nn.Module) -> fx.Graph | None:
    """The calls of a copy of the model, which may print and count while it is traced without anybody noticing."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    quiet = io.StringIO()
    try:
        with redirect_stdout(quiet), redirect_stderr(quiet), torch.random.fork_rng(devices=devices):
            return fx.Tracer().trace(copy.deepcopy(model))
    except Exception:  # a user's forward may raise anything when it is given symbols; then nothing is rewritten
        return None


def watched(module: nn.Module) -> bool:
    """Whether a hook looks at what the layer gets and returns, or somebody has changed its call already."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)


def _following_pool(relu: list[fx.Node], modules: dict[str, nn.Module], calls: dict[str, list[fx.Node]]) -> str | None:
    """The name of the MaxPool2d that alone reads what a ReLU returns, where each of them is called once."""
    users = list(relu[0].users) if len(relu) == 1 else []
    if len(users) != 1 or users[0].op != "call_module":
        return None
    name = str(users[0].target)
    pool = modules[name]
    alone = type(pool) is nn.MaxPool2d and len(calls[name]) == 1
    return name if alone and not pool.return_indices and not watched(pool) else None


def _input(call: fx.Node) -> fx.Node | None:
    return call.all_input_nodes[0] if call.all_input_nodes else None


def _may_overwrite(source: fx.Node | None, modules: dict[str, nn.Module]) -> bool:
    """Whether nobody else needs the value that a ReLU would overwrite."""
    if source is None or len(source.users) != 1:
        return False
    if source.op == "call_module":
        module = modules[str(source.target)]
        return isinstance(module, _SAFE_MODULES) and not watched(module)
    return source.op == "call_function" and source.target in _SAFE_FUNCTIONS


@contextmanager
def rewritten(model: nn.Module, inplace: tuple[str, ...], pool_first: tuple[tuple[str, str], ...]) -> Iterator[None]:
    """A block in which the named layers of the model run in place, or in the other order."""
    with ExitStack() as undo:
        for name in inplace:
            relu: Any = model.get_submodule(name)
            relu.inplace = True
            undo.callback(setattr, relu, "inplace", False)
        for first, second in pool_first:
            _replace(undo, model.get_submodule(first), _identity)
            pool = model.get_submodule(second)
            _replace(undo, pool, _then_relu(pool))
        yield


def _replace(undo: ExitStack, module: Any, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    module.forward = forward
    undo.callback(vars(module).pop, "forward", None)


def _identity(x: torch.Tensor) -> torch.Tensor:
    return x


def _then_relu(pool: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    size, stride, padding, dilation, ceil = (
        pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode,
    )  # fmt: skip

    def forward(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.max_pool2d(x, size, stride, padding, dilation, ceil).relu_()

    return forward
