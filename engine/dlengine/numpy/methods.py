"""The methods and operators of `ndarray`, most of them made from the functions of the table."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy
import torch

from dlengine.numpy import fallback, indexing
from dlengine.numpy.attributes import PROPERTIES
from dlengine.numpy.core import from_host, ndarray, to_host, wrap, write
from dlengine.numpy.devices import pick
from dlengine.numpy.dtypes import TO_NUMPY, NoTensor, torch_dtype
from dlengine.numpy.keeping import before_write
from dlengine.numpy.native import NATIVE
from dlengine.numpy.protocols import DUNDERS, copied

OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
DIRECT = {  # between floats of one dtype, and with Python's numbers, torch's operator is NumPy's
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "matmul": operator.matmul,
}  # fmt: skip
FLOATS = frozenset({torch.float32, torch.float64})
NUMBERS = frozenset({int, float})
IN_PLACE = {"add": "add_", "subtract": "sub_", "multiply": "mul_", "divide": "div_"}
COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
SIGNS = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
# The functions are looked up by name, not held in closures: torch.compile cannot rebuild what a closure holds.
# Methods that are the function of the same name with the array as its first argument.
FUNCTIONS = (
    "all any argmax argmin argpartition argsort choose clip compress conj conjugate cumprod cumsum diagonal dot max "
    "mean min nonzero prod ravel repeat round searchsorted squeeze std sum swapaxes take trace var"
)
new = object.__new__
_REFUSES = (str, bytes, dict, set, type(None))


def _operator(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """x + y, y + x and x += y. On a 0-d array += makes a new one, as it does for NumPy's scalars."""
    direct = DIRECT.get(name)

    def forward(self: ndarray, other: Any) -> Any:
        left, kind = self._tensor, type(other)
        if direct is not None and (kind is ndarray or kind in NUMBERS) and left.dtype in FLOATS:
            right = other._tensor if kind is ndarray else other
            if kind is not ndarray or right.dtype is left.dtype:
                try:
                    made = new(ndarray)  # `wrap`, without a call
                    made._tensor = direct(left, right)
                    return made
                except (RuntimeError, TypeError, OverflowError):  # told in NumPy's words below
                    pass
        elif isinstance(other, _REFUSES):
            return NotImplemented
        return NATIVE[name].pair(self, other)

    def backward(self: ndarray, other: Any) -> Any:
        return NotImplemented if isinstance(other, _REFUSES) else NATIVE[name].pair(other, self)

    def inplace(self: ndarray, other: Any) -> Any:
        if self._tensor.dim() == 0:
            return NATIVE[name].pair(self, other)
        if name in IN_PLACE and _changed(self._tensor, IN_PLACE[name], other):
            return self
        return write(self, NATIVE[name].pair(self, other)._tensor)

    return forward, backward, inplace


def _changed(tensor: torch.Tensor, kernel: str, other: Any) -> bool:
    """Compute in the tensor's own memory, where torch and NumPy agree on how: floats, and a float of the same dtype."""
    kind = type(other)
    if not tensor.dtype.is_floating_point or not (kind is ndarray or kind is float or kind is int):
        return False
    if kind is ndarray:
        other = other._tensor
        if other.dtype is not tensor.dtype:
            return False
    before_write(tensor)
    try:
        getattr(tensor, kernel)(other)
    except (RuntimeError, OverflowError):  # told in NumPy's words, or computed aside, by the general way
        return False
    return True


def _comparison(name: str) -> Callable[..., Any]:

    def compare(self: ndarray, other: Any) -> Any:
        if isinstance(other, _REFUSES):
            return NotImplemented
        return NATIVE[name].pair(self, other)

    return compare


def _sign(name: str) -> Callable[..., Any]:
    return lambda self: NATIVE[name](self)


def _method(name: str) -> Callable[..., Any]:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        return NATIVE[name](self, *args, **kwargs)

    return method


def astype(
    self: ndarray,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: bool = True,
    copy: bool = True,
    *,
    device: Any = None,
) -> ndarray:
    """The array in another dtype. Errors: TypeError for a cast that `casting` forbids."""
    tensor = self._tensor
    try:
        kind = torch_dtype(dtype)
    except NoTensor as error:
        return fallback.foreign("astype", error, (self, dtype, order, casting), {}, numpy.ndarray.astype)
    if casting != "unsafe" and not numpy.can_cast(TO_NUMPY[tensor.dtype], TO_NUMPY[kind], casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {TO_NUMPY[tensor.dtype]!r} to {TO_NUMPY[kind]!r} "
            f"according to the rule '{casting}'"
        )
    if device is not None:
        tensor = tensor.to(pick(device))
    if tensor.dtype is kind:
        return wrap(tensor.clone() if copy else tensor)
    real = tensor.real if tensor.is_complex() and not kind.is_complex and kind is not torch.bool else tensor
    return wrap(real.to(kind))


def item(self: ndarray, *args: Any) -> Any:
    if not args:
        if self._tensor.numel() != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self._tensor.item()
    picked = (
        self.flat[args[0]]
        if len(args) == 1 and not isinstance(args[0], tuple)
        else indexing.get(self, args if len(args) > 1 else args[0])
    )
    return picked._tensor.item()


def fill(self: ndarray, value: Any) -> None:
    indexing.put(self, Ellipsis, value)


def flatten(self: ndarray, order: str = "C") -> ndarray:
    return wrap(NATIVE["ravel"](self, order=order)._tensor.clone())


def sort(self: ndarray, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    write(self, NATIVE["sort"](self, axis=axis)._tensor)


def partition(self: ndarray, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> None:
    write(self, NATIVE["partition"](self, kth, axis=axis)._tensor)


def put(self: ndarray, indices: Any, values: Any, mode: str = "raise") -> None:
    NATIVE["put"](self, indices, values, mode)


def resize(self: ndarray, *shape: Any, refcheck: bool = True) -> None:
    sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    count = int(numpy.prod(sizes))
    flat = self._tensor.reshape(-1)
    grown = torch.cat([flat[:count], flat.new_zeros(max(count - flat.numel(), 0))])
    self._tensor = grown.reshape(tuple(sizes))


def reshape(self: ndarray, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
    sizes = shape[0] if len(shape) == 1 else shape
    if order == "C" and not copy:
        return NATIVE["reshape"](self, sizes)
    return NATIVE["reshape"](self, sizes, order, copy=copy)


def transpose(self: ndarray, *axes: Any) -> ndarray:
    return NATIVE["transpose"](self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)


def to_device(self: ndarray, device: Any, /, *, stream: Any = None) -> ndarray:
    return wrap(self._tensor.to(pick(device)))


def tolist(self: ndarray) -> Any:
    return self._tensor.tolist()


def tobytes(self: ndarray, order: str = "C") -> bytes:
    return to_host(self).tobytes(order)


def tofile(self: ndarray, fid: Any, sep: str = "", format: str = "%s") -> None:
    to_host(self).tofile(fid, sep, format)


def dumps(self: ndarray) -> bytes:
    return pickle.dumps(self)


def dump(self: ndarray, file: Any) -> None:
    if hasattr(file, "write"):
        pickle.dump(self, file)
        return
    with open(file, "wb") as stream:
        pickle.dump(self, stream)


def view(self: ndarray, dtype: Any = None, type: Any = None) -> ndarray:
    return wrap(self._tensor.view_as(self._tensor) if dtype is None else self._tensor.view(torch_dtype(dtype)))


def byteswap(self: ndarray, inplace: bool = False) -> ndarray:
    swapped = from_host(to_host(self).byteswap()).to(self.device)
    return write(self, swapped, "unsafe") if inplace else wrap(swapped)


def setflags(self: ndarray, write: Any = None, align: Any = None, uic: Any = None) -> None:
    if write is False:
        raise ValueError("arrays on torch tensors cannot be made read-only")


METHODS: dict[str, Any] = {
    "astype": astype, "copy": copied, "item": item, "fill": fill, "flatten": flatten, "sort": sort, "put": put,
    "partition": partition, "resize": resize, "reshape": reshape, "transpose": transpose, "to_device": to_device,
    "tolist": tolist, "tobytes": tobytes, "tofile": tofile, "dumps": dumps, "dump": dump, "view": view,
    "byteswap": byteswap, "setflags": setflags,
}  # fmt: skip


def compose() -> None:
    """Give `ndarray` its methods: called once, when the table is complete."""
    for name, function in OPERATORS.items():
        forward, backward, inplace = _operator(function)
        setattr(ndarray, f"__{name}__", forward)
        setattr(ndarray, f"__r{name}__", backward)
        setattr(ndarray, f"__i{name}__", inplace)
    for name, function in COMPARISONS.items():
        setattr(ndarray, f"__{name}__", _comparison(function))
    ndarray.__hash__ = None  # type: ignore[assignment]
    for name, function in SIGNS.items():
        setattr(ndarray, f"__{name}__", _sign(function))
    for name in FUNCTIONS.split():
        if name in NATIVE:
            setattr(ndarray, name, _method(name))
    for name, value in {**METHODS, **PROPERTIES}.items():
        setattr(ndarray, name, value)
    for name, value in DUNDERS.items():
        setattr(ndarray, f"__{name}__", value)
