"""Functions that only NumPy has: run on the host, with one warning each, and never under a gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.compiler import is_compiling

from dlengine.numpy import devices
from dlengine.numpy.core import device_of, from_host, ndarray, to_host, wrap
from dlengine.numpy.dtypes import TO_NUMPY, TO_TORCH, NoTensor

_warned: set[str] = set()
calls = [0]  # how often NumPy computed for us, for the statistics
_watcher: list[Any] = []


class FallbackWarning(UserWarning):
    """A function ran in NumPy on the host: no gradient, and a copy there and back from another device."""


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, ndarray):
            found.append(value._tensor)
        elif isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += tensors_in(value)
    return found


def tracked(tensor: Tensor) -> bool:
    """Whether a gradient or a transform (vmap, jvp) follows this tensor."""
    if tensor.requires_grad and torch.is_grad_enabled():
        return True
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return True
    forward = torch.autograd.forward_ad
    return forward._current_level >= 0 and forward.unpack_dual(tensor).tangent is not None


def followed(tensor: Tensor) -> bool:
    """Whether a gradient, a transform or torch.compile follows this tensor."""
    return is_compiling() or tracked(tensor)


def readable(tensor: Tensor) -> bool:
    """Whether a check may look at the values: not inside torch.compile, vmap or jvp."""
    return not is_compiling() and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)


_FLOATS = frozenset({torch.float32, torch.float64})
SMALL = 32 * 32  # elements, up to which a call of NumPy's is cheaper than several of torch's


def small(*tensors: Tensor) -> bool:
    """Whether NumPy is the faster one: few floats on the CPU, which no gradient, transform or compiler follows."""
    if is_compiling():
        return False
    for tensor in tensors:
        if tensor.dtype not in _FLOATS or tensor.numel() > SMALL or not tensor.is_cpu or tracked(tensor):
            return False
        if tensor.is_neg():
            return False
    return True


def possible(name: str, values: Iterable[Any]) -> bool:
    return find(name) is not None and not any(tracked(tensor) for tensor in tensors_in(values))


def find(name: str) -> Any:
    """NumPy's object of that name, dots allowed."""
    found: Any = numpy
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def to_numpy(value: Any) -> Any:
    if isinstance(value, (ndarray, Tensor)):
        return to_host(value)
    if type(value) in (list, tuple):
        return type(value)(map(to_numpy, value))
    return TO_NUMPY.get(value, value) if type(value) is torch.dtype else value


def from_numpy(value: Any, device: torch.device) -> Any:
    """Arrays and numbers of dtypes that torch has as arrays on `device`; everything else as it is."""
    if isinstance(value, numpy.ndarray) and value.dtype in TO_TORCH:
        return wrap(from_host(value).to(device))
    if isinstance(value, numpy.generic) and value.dtype in TO_TORCH:
        return wrap(torch.as_tensor(numpy.asarray(value).copy()).to(device))
    if type(value) in (list, tuple):
        return type(value)(from_numpy(item, device) for item in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(from_numpy(item, device) for item in value))
    return value


def on_host(name: str, args: Iterable[Any], kwargs: dict[str, Any], function: Any = None) -> Any:
    """Compute in NumPy (or by `function`); results go to the device of the inputs, `out` arrays are filled."""
    calls[0] += 1
    out = kwargs.pop("out", None)
    device = device_of([*args, *kwargs.values()]) or devices.pick()
    result = (function or find(name))(*map(to_numpy, args), **{key: to_numpy(value) for key, value in kwargs.items()})
    result = from_numpy(result, device)
    if out is None:
        return result
    from dlengine.numpy.core import write

    goal = out[0] if isinstance(out, tuple) else out
    return write(goal, result._tensor)


def foreign(name: str, error: NoTensor, args: Iterable[Any], kwargs: dict[str, Any], function: Any = None) -> Any:
    """A call about strings, objects, dates or records, which no tensor holds: NumPy's, and its arrays are NumPy's own.

    Errors: `error` where NumPy has no such function; TypeError under a gradient.
    """
    function = function or find(name)
    if function is None:
        raise error
    if any(tracked(tensor) for tensor in tensors_in([*args, *kwargs.values()])):
        raise TypeError(f"{name}: {error}, and gradients cannot pass NumPy") from error
    if "dtypes" not in _warned:
        _warned.add("dtypes")
        warnings.warn(f"{name}: {error}: such arrays are NumPy's, on the host", FallbackWarning, stacklevel=3)
    given = {key: value for key, value in kwargs.items() if value is not None}
    out = given.get("out")
    if isinstance(out, numpy.ndarray):
        return function(*map(to_numpy, args), **{key: to_numpy(value) for key, value in given.items()})
    return on_host(name, args, given, function)


def fallback(name: str, function: Any = None) -> Callable[..., Any]:
    """The stand-in for a function that is not in the table: NumPy's of that name, or the one given."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if any(tracked(tensor) for tensor in tensors_in([*args, *kwargs.values()])):
            raise TypeError(
                f"{name} runs in NumPy, which gradients cannot pass; "
                f"call it on values outside the differentiated function, or write it with functions from the table"
            )
        if name not in _warned:
            _warned.add(name)
            warnings.warn(f"{name} runs in NumPy on the host: no gradients", FallbackWarning, stacklevel=2)
        return on_host(name, args, kwargs, function)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = getattr(find(name), "__doc__", None)
    return _watcher[0](name, call) if _watcher else call


def watch(timed: Callable[..., Any] | None) -> None:
    """Let the statistics wrap the functions that come from here, or end that with None."""
    _watcher[:] = [] if timed is None else [timed]
