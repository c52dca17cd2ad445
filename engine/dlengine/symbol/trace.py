"""From imperative code to a graph: a function or module is run once on stand-ins, and what it calls is written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from dlengine.errors import EngineError
from dlengine.symbol.blame import place, reason
from dlengine.symbol.functions import ATTRIBUTES, FUNCTIONS, apply, constant, name_of
from dlengine.symbol.node import Node
from dlengine.symbol.outputs import Head
from dlengine.symbol.python import Module, PythonFunction, hold
from dlengine.symbol.recognize import recognize
from dlengine.symbol.record import record, table_name
from dlengine.symbol.registry import make
from dlengine.symbol.sequence import Attention
from dlengine.symbol.symbol import Group, Symbol, Variable

_OWN_LEAVES = (Attention, Head, PythonFunction)


def trace(target: nn.Module | Callable[..., Any], *examples: Any) -> Symbol:
    """The graph of a torch module or of a function of tensors; its variables are called as the arguments.

    Layers keep their names, so that the bound graph takes the module's `state_dict`. Arguments with a default keep
    it. Raises EngineError where the code decides by the values of tensors, which no graph can: that part may stay
    Python with `symbol.node`.
    examples: of the arguments, for a function of `dlengine.numpy` arrays; what it decides by shapes stays decided.
    """
    if examples:
        flow, root = record(target, examples)
    else:
        if isinstance(target, nn.Module):
            _check_ties(target)
        parameters = parameters_of(target).items()
        flow, root = capture(target, {name: one.default for name, one in parameters if one.default is not one.empty})
    values: dict[fx.Node, Any] = {}
    used: set[str] = set()
    for node in flow.nodes:
        if node.op == "output":
            return _outputs(fx.node.map_arg(node.args[0], lambda one: values[one]))
        args = fx.node.map_arg(node.args, lambda one: values[one])
        kwargs = fx.node.map_arg(node.kwargs, lambda one: values[one])
        values[node] = _convert(node, root, args, kwargs, used)
    raise AssertionError("a graph ends with its output")


def _check_ties(module: nn.Module) -> None:
    """A graph's layers have weights of their own; one weight in two layers would become two."""
    names: dict[int, str] = {}
    for name, weight in module.named_parameters(remove_duplicate=False):
        other = names.setdefault(id(weight), name)
        if other != name and other.rpartition(".")[0] not in _twins(module, name.rpartition(".")[0]):
            raise EngineError(
                f"'{other}' and '{name}' are one weight in two layers, which a graph cannot hold",
                "use the module as one node, with symbol.Module, or dlengine.compile, which keeps it",
            )


def _twins(module: nn.Module, name: str) -> list[str]:
    """All names of the same layer, which may be used under several."""
    layer = module.get_submodule(name)
    return [other for other, part in module.named_modules(remove_duplicate=False) if part is layer]


def capture(target: nn.Module | Callable[..., Any], fixed: dict[str, Any]) -> tuple[fx.Graph, nn.Module]:
    """The torch.fx graph of a module or function and the module that holds its layers; EngineError if there is none.

    Its inputs are the arguments that are not among `fixed`, which have one value.
    """
    tracer = _Tracer(fixed)
    try:
        flow = tracer.trace(target)
    except EngineError:
        raise
    except Exception as error:
        name = getattr(target, "__qualname__", type(target).__name__)
        raise EngineError(f"{name} cannot be traced: {_reason(error)}{place(error)}", _HINT) from None
    return flow, tracer.root


_HINT = "what depends on the values of tensors may be a function of its own, decorated with symbol.node"


class _Tracer(fx.Tracer):
    """torch.fx's tracer with arguments that are fixed, and with the engine's layers as single calls."""

    def __init__(self, fixed: dict[str, Any]) -> None:
        super().__init__()
        self._fixed = fixed

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, _OWN_LEAVES) or super().is_leaf_module(module, name)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """The function to run and the stand-ins to run it on."""
        names = list(inspect.signature(root_fn).parameters)[is_module:]
        values = {
            name: self._fixed[name] if name in self._fixed else self.create_proxy("placeholder", name, (), {})
            for name in names
        }
        return lambda *root: root_fn(*root, **values), [self.root] if is_module else []


def parameters_of(target: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a function or of a module's `forward`; EngineError where it takes any number of them."""
    if not callable(target):
        raise EngineError(f"a {type(target).__name__} cannot be traced", "give a function or a torch module")
    parameters = inspect.signature(target.forward if isinstance(target, nn.Module) else target).parameters
    for name, parameter in parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise EngineError(
                f"arguments such as {parameter} cannot be traced", f"give '{name}' an ordinary argument each"
            )
    return dict(parameters)


def _reason(error: Exception) -> str:
    if isinstance(error, fx.proxy.TraceError):
        return "it decides by the value of a tensor"
    text = reason(error)
    if "__array_struct__" in text:
        return "functions of dlengine.numpy need an example of each argument: trace(f, x)"
    return f"{text} (the argument is a stand-in for a tensor)" if "Proxy" in text else text


def _convert(node: fx.Node, root: nn.Module, args: Any, kwargs: Any, used: set[str]) -> Any:
    if node.op == "placeholder":
        return Variable(str(node.target), **node.meta.get("variable", {}))
    if node.op == "get_attr":
        return _parameter(root, str(node.target), used, node.name)
    if node.op == "call_module":
        return _layer(root.get_submodule(str(node.target)), str(node.target), args, kwargs, used, node.name)
    if node.op == "call_method":
        if f"Tensor.{node.target}" in FUNCTIONS:
            return apply(f"Tensor.{node.target}", args, kwargs)
        return hold(getattr(torch.Tensor, str(node.target)), args, kwargs)
    if node.target is getattr and args[1] not in ATTRIBUTES:
        raise EngineError(f"a tensor's attribute '{args[1]}' cannot be traced", _HINT)
    function: Any = node.target
    name = "getattr" if function is getattr else name_of(function) or table_name(function, kwargs)
    return hold(function, args, kwargs) if name is None else apply(name, args, kwargs)


def _parameter(root: nn.Module, target: str, used: set[str], name: str) -> Symbol:
    value: Any = root
    for part in target.split("."):
        value = getattr(value, part)
    own, layer = (target, None) if target not in used else (name, target)
    used.add(target)
    return constant(value, own, layer)


def _layer(module: nn.Module, target: str, args: Any, kwargs: Any, used: set[str], name: str) -> Symbol:
    """A module as an operator, or as itself; a second use of the same layer shares its weights."""
    own, layer = (target, None) if target not in used else (name, target)
    used.add(target)
    if isinstance(module, PythonFunction):
        raise EngineError(f"'{target}' is a Python function inside a graph", "trace what surrounds it")
    found = None if kwargs else recognize(module)
    if found is not None and all(isinstance(arg, Symbol) for arg in args):
        return make(found[0], tuple(args), found[1], name=own, layer=layer)
    whole = Module(module, *args, name=own, **kwargs)
    if layer is None:
        return whole
    inner = whole.entry[0]
    return Symbol(((Node(inner.op, inner.inputs, inner.params, own, layer, inner.held), 0),))


def _outputs(value: Any) -> Symbol:
    if isinstance(value, Symbol):
        return value
    if isinstance(value, tuple | list) and value and all(isinstance(part, Symbol) for part in value):
        return Group(*value)
    raise EngineError(f"it returns a {type(value).__name__}", "return a tensor, or a tuple of tensors")
