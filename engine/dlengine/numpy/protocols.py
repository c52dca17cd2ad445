"""What Python, NumPy and torch ask of an array by special methods: numbers, copies, and every exchange of data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch

from dlengine.numpy import fallback, indexing, printing
from dlengine.numpy.core import iterate, ndarray, to_host, unwrap_all, wrap, wrap_all
from dlengine.numpy.info import API_VERSION
from dlengine.numpy.keeping import recording
from dlengine.numpy.native import NATIVE


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


def _to_numpy(self: ndarray, dtype: Any = None, copy: Any = None) -> Any:
    if recording() and fallback.tracked(self._tensor):
        raise TypeError(
            "an array under a gradient cannot become a NumPy array, which would cut it off: compute with "
            "dlengine.numpy, or say x.tensor.detach() where no gradient is wanted"
        )
    host = to_host(self)
    if copy is False and dtype is not None and host.dtype != numpy.dtype(dtype):
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return numpy.array(host, dtype=dtype) if copy else numpy.asarray(host, dtype=dtype)


def _array_ufunc(self: ndarray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's own ufuncs on our arrays: computed here, on the device."""
    function = NATIVE.get(ufunc.__name__)
    if function is None:
        return fallback.fallback(ufunc.__name__, getattr(ufunc, method))(*inputs, **kwargs)
    return (function if method == "__call__" else getattr(function, method))(*inputs, **kwargs)


def _array_function(self: ndarray, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NumPy's own functions on our arrays: computed here where the table has them."""
    import dlengine.numpy

    space: Any = dlengine.numpy
    name, module = str(function.__name__), str(function.__module__)
    for part in module.split(".")[1:]:
        space = getattr(space, part, None)
    ours = getattr(space, name, None)
    if ours is function:  # in a module of NumPy's that is ours as it is
        return fallback.fallback(name, function)(*args, **kwargs)
    return NotImplemented if ours is None else ours(*args, **kwargs)


def torch_function(cls: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Torch's functions on our arrays: the tensor goes in, an array comes out."""
    return wrap_all(function(*unwrap_all(tuple(args)), **unwrap_all(dict(kwargs or {}))))


def _dlpack(
    self: ndarray, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
) -> Any:
    moved = self._tensor.detach()
    if copy:
        moved = moved.clone()
    if dl_device is not None and tuple(map(int, dl_device)) != tuple(map(int, moved.__dlpack_device__())):
        raise BufferError(f"the array is on {self.device}: move it with to_device first")
    return moved.__dlpack__() if stream is None else moved.__dlpack__(stream=stream)


def _namespace(self: ndarray, /, *, api_version: str | None = None) -> Any:
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", API_VERSION):
        raise ValueError(f"the array API version {api_version!r} is not known; the newest here is {API_VERSION}")
    import dlengine.numpy

    return dlengine.numpy


def _reduce(self: ndarray) -> Any:
    return wrap, (self._tensor,)


def _deepcopy(self: ndarray, memo: Any) -> ndarray:
    return wrap(self._tensor.detach().clone())


def copied(self: ndarray, order: str = "C") -> ndarray:
    return wrap(self._tensor.clone())


def _format(self: ndarray, spec: str) -> str:
    if self._tensor.dim() == 0:
        return format(self._tensor.item() if spec else str(self), spec)
    if spec:
        raise TypeError("unsupported format string passed to numpy.ndarray.__format__")
    return str(self)


def _round(self: ndarray, digits: int | None = None) -> Any:
    """round(x) is a whole number of Python's, round(x, 2) an array, as for NumPy's scalars."""
    return NATIVE["round"](self, digits) if digits is not None else round(_number(float)(self))


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
    "copy": copied, "round": _round, "divmod": _divmod, "rdivmod": _rdivmod,
    "torch_function": classmethod(torch_function),
}  # fmt: skip
