"""Whether a model's forward pass does nothing but compute, so that it may be recorded once and played many times.

A recording forgets what Python does besides: printing, counting, drawing random numbers, looking at the clock. That is
read off the code of `forward` and of what it calls; in doubt the answer is no.
"""

from __future__ import annotations

import dis
import inspect
import math
import operator
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_CHANGES = {"STORE_ATTR", "STORE_GLOBAL", "STORE_SUBSCR", "STORE_DEREF", "IMPORT_NAME"}
_CHANGES |= {name.replace("STORE", "DELETE") for name in _CHANGES}
_EFFECTS = {"print", "open", "input", "exec", "eval", "setattr", "delattr", "globals", "locals", "vars", "next", "id"}
_STATEFUL = (list, dict, set, bytearray)
_OWN = set(vars(nn.Module()))
_PLAIN = (int, float, str, tuple, type(None), torch.dtype, torch.device, torch.Size)


def pure(model: nn.Module) -> bool:
    """Whether nobody would notice if the code of the model's layers ran only once: no hooks, and no effects."""
    check = _Check({name for module in model.modules() for name in _stateful(module)})
    return all(silent(module) and check.module(module) for module in model.modules())


def silent(module: nn.Module) -> bool:
    """Whether no hook of a layer's own looks on."""
    return not any(getattr(module, name) for name in _HOOKS)


def _stateful(module: nn.Module) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, _STATEFUL) and name not in _OWN]


class _Check:
    """Looks through code; what was seen is not looked at again. `stateful`: names of lists and the like in modules."""

    def __init__(self, stateful: set[str]) -> None:
        self._stateful = stateful
        self._seen: set[tuple[CodeType, type]] = set()

    def module(self, module: nn.Module) -> bool:
        """Whether a layer's own forward is harmless, its children aside."""
        kind = type(module)  # a traced module is of torch.fx, and its code anybody's
        return kind.__module__.startswith("torch.nn.") or self._function(kind.forward, kind)

    def _function(self, function: Any, owner: type) -> bool:
        """Whether a function's code, and what it calls, changes nothing but its own variables."""
        if not isinstance(function, FunctionType):
            return False
        if (function.__code__, owner) in self._seen:
            return True
        self._seen.add((function.__code__, owner))
        outside = inspect.getclosurevars(function)
        used = [*outside.globals.values(), *outside.nonlocals.values()]
        return (
            not _EFFECTS & set(outside.builtins)
            and all(self._value(value, owner) for value in used)
            and all(self._code(code, owner) for code in _codes(function.__code__))
        )

    def _code(self, code: CodeType, owner: type) -> bool:
        """Whether code writes to nothing outside, and asks only for harmless methods and attributes."""
        if any(one.opname in _CHANGES for one in dis.get_instructions(code)) or self._stateful & set(code.co_names):
            return False
        found = [inspect.getattr_static(owner, name, None) for name in code.co_names]
        functions = [getattr(one, "fget", None) or getattr(one, "__func__", None) or one for one in found]
        return all(_of_torch(one) or self._function(one, owner) for one in functions if isinstance(one, FunctionType))

    def _value(self, value: Any, owner: type) -> bool:
        """Whether code may use this from outside: numbers, torch, mathematics, and functions that do no more."""
        if isinstance(value, ModuleType):
            return value in (math, operator) or value.__name__.split(".")[0] == "torch"
        if isinstance(value, FunctionType):
            return _of_torch(value) or self._function(value, owner)
        if isinstance(value, type | BuiltinFunctionType):
            return _of_torch(value) or value.__module__ in ("math", "_operator") or value is owner
        return isinstance(value, _PLAIN)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _of_torch(value: Any) -> bool:
    return str(value.__module__).split(".")[0] == "torch"
