"""The methods, attributes and operators of `ndarray`, generated from the functions of the table."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy
import torch

from dlengine.numpy import fallback, indexing, printing
from dlengine.numpy.core import (
    from_host,
    iterate,
    ndarray,
    tensor_of,
    to_host,
    unwrap_all,
    wrap,
    wrap_all,
    writable,
    write,
)
from dlengine.numpy.devices import pick
from dlengine.numpy.dtypes import TO_NUMPY, torch_dtype
from dlengine.numpy.native import NATIVE

OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
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
    "mean min nonzero prod ravel repeat reshape round searchsorted squeeze std sum swapaxes take trace transpose var"
)
_REFUSES = (str, bytes, dict, set, type(None))


def _operator(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """x + y, y + x and x += y. On a 0-d array += makes a new one, as it does for NumPy's scalars."""

    def forward(self: ndarray, other: Any) -> Any:
        return NotImplemented if isinstance(other, _REFUSES) else NATIVE[name].pair(self, other)

    def backward(self: ndarray, other: Any) -> Any:
        return NotImplemented if isinstance(other, _REFUSES) else NATIVE[name].pair(other, self)

    def inplace(self: ndarray, other: Any) -> Any:
        if self._tensor.dim() == 0:
            return NATIVE[name].pair(self, other)
        return write(self, NATIVE[name].pair(self, other)._tensor)

    return forward, backward, inplace


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


def _number(kind: type) -> Callable[..., Any]:
    def convert(self: ndarray) -> Any:
        if self._tensor.numel() != 1 or self._tensor.dim():
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return kind(self._tensor.item())

    return convert


def _bool(self: ndarray) -> bool:
    if self._tensor.numel() != 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            if self._tensor.numel()
            else "The truth value of an empty array is ambiguous. Use `array.size > 0` to check."
        )
    return bool(self._tensor)


def _index(self: ndarray) -> int:
    dtype = self._tensor.dtype
    if self._tensor.dim() or dtype.is_floating_point or dtype.is_complex or dtype is torch.bool:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")
    return int(self._tensor.item())


def _len(self: ndarray) -> int:
    if self._tensor.dim() == 0:
        raise TypeError("len() of unsized object")
    return self._tensor.shape[0]


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
    kind = torch_dtype(dtype)
    tensor = self._tensor
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


def _copy(self: ndarray, order: str = "C") -> ndarray:
    return wrap(self._tensor.clone())


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


class Flags(dict):
    """Memory layout, read as `flags.c_contiguous` or `flags["C_CONTIGUOUS"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name.upper()]
        except KeyError:
            raise AttributeError(name) from None


def _flags(self: ndarray) -> Flags:
    tensor = self._tensor
    try:
        can_write = writable(tensor) is tensor
    except ValueError:
        can_write = False
    fortran = tensor.permute(tuple(range(tensor.dim() - 1, -1, -1))).is_contiguous()
    return Flags(
        C_CONTIGUOUS=tensor.is_contiguous(), F_CONTIGUOUS=fortran, OWNDATA=tensor._base is None, WRITEABLE=can_write,
        ALIGNED=True, WRITEBACKIFCOPY=False,
    )  # fmt: skip


class Flat:
    """`array.flat`: the elements in C order, read, written and iterated."""

    def __init__(self, array: ndarray) -> None:
        self.base = array

    def __getitem__(self, key: Any) -> Any:
        return indexing.get(wrap(self.base._tensor.reshape(-1)), key)

    def __setitem__(self, key: Any, value: Any) -> None:
        tensor = writable(self.base._tensor)
        flat = tensor.reshape(-1)
        indexing.put(wrap(flat), key, value)
        if not tensor.is_contiguous():
            tensor.copy_(flat.view(tensor.shape))

    def __iter__(self) -> Any:
        return iterate(wrap(self.base._tensor.reshape(-1)))

    def __len__(self) -> int:
        return self.base._tensor.numel()


def _set_flat(self: ndarray, value: Any) -> None:
    new = tensor_of(value, self.device).reshape(-1).to(self._tensor.dtype)
    repeats = -(-self._tensor.numel() // max(new.numel(), 1))
    writable(self._tensor).copy_(new.repeat(repeats)[: self._tensor.numel()].reshape(self._tensor.shape))


def _real(self: ndarray) -> ndarray:
    return wrap(self._tensor.real)


def _imag(self: ndarray) -> ndarray:
    return wrap(self._tensor.imag if self._tensor.is_complex() else torch.zeros_like(self._tensor))


def _set_part(name: str) -> Callable[..., None]:
    def put_part(self: ndarray, value: Any) -> None:
        if name == "imag" and not self._tensor.is_complex():
            raise TypeError("array does not have imaginary part to set")
        indexing.put(wrap(getattr(self._tensor, name)), Ellipsis, value)

    return put_part


def _reversed(self: ndarray) -> ndarray:
    return wrap(self._tensor.permute(tuple(range(self._tensor.dim() - 1, -1, -1))))


def _base(self: ndarray) -> Any:
    return None if self._tensor._base is None else wrap(self._tensor._base)


def _matrix_transposed(self: ndarray) -> ndarray:
    if self._tensor.dim() < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return wrap(self._tensor.mT)


PROPERTIES: dict[str, Any] = {
    "T": property(_reversed),
    "mT": property(_matrix_transposed),
    "real": property(_real, _set_part("real")),
    "imag": property(_imag, _set_part("imag")),
    "flat": property(Flat, _set_flat),
    "flags": property(_flags),
    "base": property(_base),
    "itemsize": property(lambda self: self._tensor.element_size()),
    "nbytes": property(lambda self: self._tensor.element_size() * self._tensor.numel()),
    "strides": property(lambda self: tuple(n * self._tensor.element_size() for n in self._tensor.stride())),
    "data": property(lambda self: to_host(self).data),
    "ctypes": property(lambda self: to_host(self).ctypes),
    "requires_grad": property(lambda self: self._tensor.requires_grad),
    "grad": property(lambda self: None if self._tensor.grad is None else wrap(self._tensor.grad)),
}


def _to_numpy(self: ndarray, dtype: Any = None, copy: Any = None) -> Any:
    host = to_host(self)
    if copy is False and dtype is not None and host.dtype != numpy.dtype(dtype):
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return numpy.array(host, dtype=dtype) if copy else numpy.asarray(host, dtype=dtype)


def _array_ufunc(self: ndarray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's own ufuncs on our arrays: computed here, on the device."""
    function = NATIVE.get(ufunc.__name__)
    if function is None:
        if method != "__call__":
            return NotImplemented
        return fallback.fallback(ufunc.__name__)(*inputs, **kwargs)
    return (function if method == "__call__" else getattr(function, method))(*inputs, **kwargs)


def _array_function(self: ndarray, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NumPy's own functions on our arrays: computed here where the table has them."""
    import dlengine.numpy

    space: Any = dlengine.numpy
    module = str(function.__module__)
    for part in module.split(".")[1:]:
        space = getattr(space, part, None)
    ours = getattr(space, function.__name__, None)
    return NotImplemented if ours is None else ours(*args, **kwargs)


def _torch_function(cls: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Torch's functions on our arrays: the tensor goes in, an array comes out."""
    return wrap_all(function(*unwrap_all(tuple(args)), **unwrap_all(dict(kwargs or {}))))


def _dlpack(self: ndarray, **options: Any) -> Any:
    options.pop("max_version", None)
    stream = options.pop("stream", None)
    moved = self._tensor.detach()
    if options.get("copy"):
        moved = moved.clone()
    if options.get("dl_device") is not None and tuple(map(int, options["dl_device"])) != tuple(
        map(int, moved.__dlpack_device__())
    ):
        raise BufferError(f"the array is on {self.device}: move it with to_device first")
    return moved.__dlpack__() if stream is None else moved.__dlpack__(stream=stream)


def _namespace(self: ndarray, /, *, api_version: str | None = None) -> Any:
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
        raise ValueError(f"the array API version {api_version!r} is not known; the newest here is 2025.12")
    import dlengine.numpy

    return dlengine.numpy


def _reduce(self: ndarray) -> Any:
    return wrap, (self._tensor,)


def _deepcopy(self: ndarray, memo: Any) -> ndarray:
    return wrap(self._tensor.detach().clone())


def _format(self: ndarray, spec: str) -> str:
    if self._tensor.dim() == 0:
        return format(self._tensor.item() if spec else str(self), spec)
    if spec:
        raise TypeError("unsupported format string passed to numpy.ndarray.__format__")
    return str(self)


def _contains(self: ndarray, value: Any) -> bool:
    return bool((self == value).any())


def _divmod(self: ndarray, other: Any) -> Any:
    return NATIVE["divmod"](self, other)


def _rdivmod(self: ndarray, other: Any) -> Any:
    return NATIVE["divmod"](other, self)


DUNDERS: dict[str, Any] = {
    "array": _to_numpy, "array_ufunc": _array_ufunc, "array_function": _array_function, "dlpack": _dlpack,
    "dlpack_device": lambda self: self._tensor.__dlpack_device__(), "array_namespace": _namespace,
    "getitem": indexing.get, "setitem": indexing.put, "iter": iterate, "len": _len, "bool": _bool,
    "float": _number(float), "int": _number(int), "complex": _number(complex), "index": _index, "contains": _contains,
    "repr": printing.text, "str": printing.plain, "format": _format, "reduce": _reduce, "deepcopy": _deepcopy,
    "copy": _copy, "divmod": _divmod, "rdivmod": _rdivmod,
}  # fmt: skip
METHODS: dict[str, Any] = {
    "astype": astype, "copy": _copy, "item": item, "fill": fill, "flatten": flatten, "sort": sort, "put": put,
    "partition": partition, "resize": resize, "to_device": to_device, "tolist": tolist, "tobytes": tobytes,
    "tofile": tofile, "dumps": dumps, "dump": dump, "view": view, "byteswap": byteswap, "setflags": setflags,
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
    ndarray.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]
