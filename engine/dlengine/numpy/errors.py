"""Torch's errors told as NumPy's: the same exception class, and both shapes, dtypes or devices by name."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy
from numpy.exceptions import AxisError
from torch import Tensor
from torch._C import _LinAlgError as TorchLinAlgError  # type: ignore[attr-defined]

from dlengine.numpy.core import ndarray

LACKING = re.compile(
    r"not implemented for '|\"\w+\" not implemented|not supported for|Promotion for uint|unsupported dtype"
)


def normal_axis(axis: Any, ndim: int) -> int:
    """The axis counted from the front. Errors: AxisError, TypeError."""
    if type(axis) is int and -ndim <= axis < ndim:
        return axis + ndim if axis < 0 else axis
    try:
        index = axis.__index__()
    except AttributeError:
        raise TypeError(f"an axis is an integer, not {type(axis).__name__}") from None
    if not -ndim <= index < ndim:
        raise AxisError(index, ndim)
    return index % ndim if ndim else index


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """One axis, several, or None for all, counted from the front. Errors: AxisError; ValueError for one named twice."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int:
        return (normal_axis(axis, ndim),)
    axes = tuple(normal_axis(a, ndim) for a in axis) if isinstance(axis, (tuple, list)) else (normal_axis(axis, ndim),)
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return axes


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape. Errors: ValueError that names all shapes."""
    try:
        return numpy.broadcast_shapes(*shapes)
    except ValueError:
        told = " ".join(str(tuple(shape)).replace(" ", "") for shape in shapes)
        raise ValueError(f"operands could not be broadcast together with shapes {told} ") from None


def check_devices(tensors: list[Tensor]) -> None:
    """Errors: ValueError that names both devices (zero-dimensional CPU tensors mix with all, as in torch)."""
    homes = {t.device for t in tensors if t.dim() or t.device.type != "cpu"}
    if len(homes) > 1:
        told = " and ".join(f"{t.device} {tuple(t.shape)}" for t in tensors)
        raise ValueError(f"arrays on different devices: {told}; move one with .to_device(...)")


def lacks_kernel(error: Exception) -> bool:
    """Whether torch said that it has the operation, but not for this dtype."""
    return isinstance(error, NotImplementedError) or bool(LACKING.search(str(error)))


def explain(name: str, error: Exception, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run on the host what torch has no kernel for; tell everything else in NumPy's words."""
    from dlengine.numpy import fallback

    if lacks_kernel(error) and fallback.possible(name, args):
        return fallback.on_host(name, args, kwargs)
    return reraise(name, error, [*args, *kwargs.values()])


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, (ndarray, Tensor)):
            found.append(value._tensor if isinstance(value, ndarray) else value)
        elif isinstance(value, (list, tuple)):
            found += _tensors(value)
    return found


def reraise(name: str, error: Exception, values: list[Any]) -> NoReturn:
    if isinstance(error, (AxisError, numpy.linalg.LinAlgError)):
        raise error
    tensors = _tensors(values)
    text = str(error)
    check_devices(tensors)
    if "Dimension out of range" in text or "dimension specified as" in text:
        found = re.search(r"but got (-?\d+)", text)
        ndim = tensors[0].dim() if tensors else 0
        raise AxisError(int(found[1]) if found else 0, ndim) from error
    if isinstance(error, TorchLinAlgError):
        raise numpy.linalg.LinAlgError(text) from error
    if isinstance(error, IndexError):
        raise error
    if "self indexing axis dim should be positive" in text:
        raise IndexError(f"{name}: an index is out of bounds for an axis of size 0") from error
    if "must match the size of tensor" in text:
        broadcast(*[tuple(tensor.shape) for tensor in tensors])
    told = ", ".join(f"{tuple(t.shape)} {t.dtype}".replace("torch.", "") for t in tensors)
    if re.search(r"size|shape|broadcast|dimension|expand|invalid", text):
        raise ValueError(f"{name}: {text.splitlines()[0]} (arrays: {told})") from error
    raise error
