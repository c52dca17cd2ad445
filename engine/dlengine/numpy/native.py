"""How a function of tensors becomes a function of arrays: the annotations of its parameters are the rules.

`Tensor` is one array-like, `Tensor | None` may be absent, `Tensors` is a sequence of array-likes, `Dtype` anything that
names a dtype. Everything else is passed on as it is. Tensors that come back are wrapped.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import errors, fallback
from dlengine.numpy.core import device_of, ndarray, tensor_of, wrap_all, write
from dlengine.numpy.direct import DTYPE, MANY, ONE, OPTIONAL, direct
from dlengine.numpy.dtypes import NoTensor, promote, torch_dtype

Tensors = Sequence[Tensor]
Dtype = torch.dtype | None
NATIVE: dict[str, Any] = {}  # every function of the main namespace that runs on torch

_RULES = (ONE, OPTIONAL, MANY, DTYPE)


def native(function: Callable[..., Any], *, name: str = "", register: bool = True) -> Callable[..., Any]:
    """A function of tensors made one of arrays, and put into the namespace under `name` (by default its own)."""
    public = name or function.__name__
    call = _wrapped(function, public)
    if register:
        NATIVE[public] = call
    return call


def local(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `native`, but for a namespace of its own (linalg, fft, random)."""
    return native(function, register=False)


def register(*functions: Callable[..., Any]) -> None:
    """Put functions that take and give arrays themselves into the namespace."""
    for function in functions:
        NATIVE[function.__name__] = function


def alias(**names: str) -> None:
    """Register further names of functions: alias(amax="max")."""
    for new, old in names.items():
        NATIVE[new] = NATIVE[old]


def _wrapped(function: Callable[..., Any], public: str) -> Callable[..., Any]:
    parameters = inspect.signature(function).parameters
    rules = {n: str(p.annotation) for n, p in parameters.items() if str(p.annotation) in _RULES}
    names = list(parameters)
    variadic = any(p.kind is p.VAR_POSITIONAL and n in rules for n, p in parameters.items())
    takes_out = "out" not in parameters

    def convert(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        device = device_of((*args, *kwargs.values()))
        if variadic:
            return [tensor_of(a, device) for a in args], {k: _by(rules.get(k), v, device) for k, v in kwargs.items()}
        given = [_by(rules.get(n), v, device) for n, v in zip(names, args, strict=False)] + list(args[len(names) :])
        return given, {k: _by(rules.get(k), v, device) for k, v in kwargs.items()}

    def general(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None) if takes_out else None
        try:
            given, named = convert(args, kwargs)
        except NoTensor as error:
            return fallback.foreign(public, error, args, kwargs | {"out": out})
        try:
            result = function(*given, **named)
        except (RuntimeError, IndexError) as error:
            return errors.explain(public, error, given, named)
        if out is None:
            return wrap_all(result)
        return write(out[0] if isinstance(out, tuple) else out, result)

    call = general
    if variadic and names[0] in rules and not set(names[1:]) & set(rules):
        call = _every(function, public, general, takes_out)
    elif not variadic and names and rules.get(names[0]) in (ONE, MANY):
        call = direct(function, public, general, rules)
    call = functools.wraps(function)(call)
    call.__name__ = call.__qualname__ = public
    call.__module__ = "dlengine.numpy"
    return call


def _every(
    function: Callable[..., Any], public: str, general: Callable[..., Any], takes_out: bool
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        tensors = [array._tensor for array in args if type(array) is ndarray]
        if len(tensors) < len(args) or (takes_out and "out" in kwargs):
            return general(*args, **kwargs)
        try:
            return wrap_all(function(*tensors, **kwargs))
        except (RuntimeError, IndexError) as error:
            return errors.explain(public, error, args, kwargs)

    return call


def _by(rule: str | None, value: Any, device: torch.device | None) -> Any:
    if rule is None or (value is None and rule != ONE):
        return value
    if rule == DTYPE:
        return torch_dtype(value)
    if rule == MANY:
        if isinstance(value, ndarray):
            return list(value._tensor.unbind(0))
        return [tensor_of(item, device) for item in value]
    return tensor_of(value, device)


def same_dtype(*tensors: Tensor) -> list[Tensor]:
    """The tensors in their common dtype."""
    first = tensors[0].dtype
    for tensor in tensors:
        if tensor.dtype is not first:
            break
    else:
        return list(tensors)
    dtype = promote(*[tensor.dtype for tensor in tensors])
    return [tensor.to(dtype) for tensor in tensors]
