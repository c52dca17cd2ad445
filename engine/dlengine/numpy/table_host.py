"""Functions that hold no array on a device: dtypes, printing, files, options. NumPy's own, made to take our arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy
import torch

from dlengine.numpy import devices, errors
from dlengine.numpy.core import ndarray, seen, tensor_of, to_host, wrap
from dlengine.numpy.dtypes import TO_NUMPY, TO_TORCH, WEAK, narrowed, promote, torch_dtype, weak_dtype
from dlengine.numpy.fallback import from_numpy, to_numpy
from dlengine.numpy.native import NATIVE, register
from dlengine.numpy.table_creation import READERS

HOST: dict[str, Callable[..., Any]] = {}

# NumPy's, unchanged: no argument of theirs is an array.
PLAIN = (
    "base_repr binary_repr broadcast_shapes can_cast datetime_data format_parser get_include get_printoptions "
    "getbufsize geterr geterrcall info issubdtype mintypecode printoptions promote_types set_printoptions setbufsize "
    "seterr seterrcall show_config show_runtime test typename"
)
# NumPy's, given the values of our arrays: what they answer is not an array, or lies in a file.
READING = (
    "array2string array_repr array_str einsum_path format_float_positional format_float_scientific min_scalar_type "
    "save savetxt savez savez_compressed"
)


def _host(function: Callable[..., Any]) -> Callable[..., Any]:
    HOST[function.__name__] = function
    return function


def _read(value: Any) -> Any:
    return seen(value)[0] if isinstance(value, (ndarray, torch.Tensor)) else to_numpy(value)


def _reading(name: str) -> None:
    function = getattr(numpy, name)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_read, args), **{key: _read(value) for key, value in kwargs.items()})

    HOST[name] = call


for _name in PLAIN.split():
    if hasattr(numpy, _name):
        HOST[_name] = getattr(numpy, _name)
for _name in READING.split():
    _reading(_name)


class Archive:
    """What load() makes of an npz file: arrays by name."""

    def __init__(self, opened: Any, device: torch.device) -> None:
        self._opened, self._device = opened, device
        self.files = opened.files

    def __getitem__(self, name: str) -> Any:
        return from_numpy(self._opened[name], self._device)

    def __iter__(self) -> Any:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def keys(self) -> Any:
        return list(self.files)

    def items(self) -> Any:
        return [(name, self[name]) for name in self.files]

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


@_host
def load(file: Any, mmap_mode: Any = None, allow_pickle: bool = False, *, device: Any = None, **kwargs: Any) -> Any:
    """An array from a npy file, or an archive of arrays from a npz file, on the device."""
    found = numpy.load(file, mmap_mode, allow_pickle, **kwargs)
    where = devices.pick(device)
    return from_numpy(found, where) if isinstance(found, numpy.ndarray) else Archive(found, where)


@_host
def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype of an operation on these arrays, dtypes and Python numbers."""
    bools = [TO_NUMPY[torch.bool] if type(a) is bool else a for a in arrays_and_dtypes]
    given = [a if type(a) in WEAK else TO_NUMPY[_dtype_of(a)] for a in bools]
    return TO_NUMPY[narrowed(TO_TORCH[numpy.result_type(*given)], [TO_TORCH[d] for d in given if type(d) not in WEAK])]


def _dtype_of(value: Any) -> torch.dtype:
    if isinstance(value, (ndarray, torch.Tensor, numpy.ndarray, numpy.generic)):
        return tensor_of(value).dtype
    return torch_dtype(value)


@_host
def common_type(*arrays: Any) -> Any:
    kinds = [tensor_of(a).dtype for a in arrays]
    if torch.bool in kinds:
        raise TypeError("can't get common type for non-numeric array")
    floats = [k if k.is_floating_point or k.is_complex else weak_dtype(float) for k in kinds]
    return TO_NUMPY[promote(*floats)].type


@_host
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind: a dtype, "bool", "integral", "real floating", ..., or a tuple of them."""
    first = TO_NUMPY[torch_dtype(dtype)]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return bool(numpy.isdtype(first, tuple(k if isinstance(k, str) else TO_NUMPY[torch_dtype(k)] for k in kinds)))


@_host
def shape(a: Any) -> tuple[int, ...]:
    return tuple(tensor_of(a).shape) if isinstance(a, (ndarray, torch.Tensor)) else numpy.shape(a)


@_host
def ndim(a: Any) -> int:
    return tensor_of(a).dim() if isinstance(a, (ndarray, torch.Tensor)) else numpy.ndim(a)


@_host
def size(a: Any, axis: Any = None) -> int:
    sizes = shape(a)
    axes = range(len(sizes)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return math.prod(sizes[i] for i in axes)


@_host
def iterable(y: Any) -> bool:
    return numpy.iterable(y) if not isinstance(y, ndarray) else y.ndim > 0


@_host
def isscalar(element: Any) -> bool:
    return numpy.isscalar(element)


@_host
def iscomplexobj(x: Any) -> bool:
    return tensor_of(x).is_complex()


@_host
def isrealobj(x: Any) -> bool:
    return not tensor_of(x).is_complex()


@_host
def isfortran(a: Any) -> bool:
    return bool(a.flags.f_contiguous and not a.flags.c_contiguous)


@_host
def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    x, y = tensor_of(a), tensor_of(b)
    return x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr() and x.numel() > 0 and y.numel() > 0


@_host
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    if not may_share_memory(a, b):
        return False
    return tensor_of(a).device.type != "cpu" or numpy.shares_memory(to_host(a), to_host(b))


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function on every line along an axis and join the results; gradients flow."""
    tensor = tensor_of(arr)
    axis = errors.normal_axis(axis, tensor.dim())
    moved = tensor.movedim(axis, -1)
    lead = moved.shape[:-1]
    lines = moved.reshape(-1, moved.shape[-1])
    if len(lines) == 0:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [tensor_of(func1d(wrap(line), *args, **kwargs), tensor.device) for line in lines]
    joined = torch.stack(results)
    inner = tuple(results[0].shape)
    joined = joined.reshape((*lead, *inner))
    place = axis
    for offset in range(len(inner)):
        joined = joined.movedim(len(lead) + offset, place + offset)
    return wrap(joined)


def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """Apply a reduction over several axes, one after the other, keeping the dimensions."""
    value = wrap(tensor_of(a))
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        reduced = func(value, axis)
        value = reduced if reduced.ndim == value.ndim else NATIVE["expand_dims"](reduced, axis)
    return value


def block(arrays: Any) -> Any:
    """An array from nested lists of blocks: the innermost lists along the last axis."""

    def depth(value: Any) -> int:
        return 1 + max(map(depth, value)) if isinstance(value, list) else 0

    def joined(value: Any, level: int) -> Any:
        if not isinstance(value, list):
            tensor = tensor_of(value)
            return wrap(tensor.reshape((1,) * (ndims - tensor.dim()) + tuple(tensor.shape)))
        if not value:
            raise ValueError("List at arrays cannot be empty")
        return NATIVE["concatenate"]([joined(v, level + 1) for v in value], axis=level - levels)

    def most(value: Any) -> int:
        return max(map(most, value)) if isinstance(value, list) else tensor_of(value).dim()

    levels = depth(arrays)
    ndims = max(levels, most(arrays))
    return joined(arrays, 0) if levels else NATIVE["copy"](arrays)


class vectorize:
    """A function of numbers made one of arrays: called once for each element, gradients included."""

    def __init__(
        self,
        pyfunc: Any,
        otypes: Any = None,
        doc: Any = None,
        excluded: Any = None,
        cache: bool = False,
        signature: Any = None,
    ) -> None:
        if signature is not None:
            raise NotImplementedError("vectorize takes no signature; use vmap")
        self.pyfunc = pyfunc
        self.__doc__ = doc or pyfunc.__doc__

    def __call__(self, *args: Any) -> Any:
        arrays = NATIVE["broadcast_arrays"](*args)
        lines = [a._tensor.reshape(-1) for a in arrays]
        results = [self.pyfunc(*(wrap(line[i]) for line in lines)) for i in range(len(lines[0]))]
        if results and isinstance(results[0], tuple):
            columns = [NATIVE["array"](list(column)) for column in zip(*results, strict=True)]
            return tuple(wrap(c._tensor.reshape(arrays[0].shape)) for c in columns)
        return wrap(tensor_of(results).reshape(arrays[0].shape))


register(apply_along_axis, apply_over_axes, block)


def packbits(a: Any, /, axis: Any = None, bitorder: str = "big") -> Any:
    """Bits packed into bytes, eight to one."""
    x = tensor_of(a)
    if x.dtype.is_floating_point or x.dtype.is_complex:
        raise TypeError("Expected an input array of integer or boolean data type")
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    bits = (x.movedim(axis, -1) != 0).to(torch.int64)
    bits = torch.cat([bits, bits.new_zeros((*bits.shape[:-1], -bits.shape[-1] % 8))], -1)
    return wrap(
        (bits.reshape(*bits.shape[:-1], -1, 8) * _weights(bitorder, bits)).sum(-1).to(torch.uint8).movedim(-1, axis)
    )


def unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    """Bytes unpacked into bits; `count` keeps so many of them."""
    x = tensor_of(a)
    if x.dtype is not torch.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    words = x.movedim(axis, -1).to(torch.int64)
    bits = ((words.unsqueeze(-1) & _weights(bitorder, words)) != 0).to(torch.uint8).flatten(-2)
    if count is not None:
        more = count - bits.shape[-1] if count >= 0 else 0
        bits = torch.cat([bits, bits.new_zeros((*bits.shape[:-1], max(more, 0)))], -1)[..., :count]
    return wrap(bits.movedim(-1, axis))


def _weights(bitorder: str, like: torch.Tensor) -> torch.Tensor:
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    weights = 2 ** torch.arange(8, device=like.device)
    return weights.flip(0) if bitorder == "big" else weights


register(packbits, unpackbits)
OWN = tuple(name for name, function in HOST.items() if getattr(function, "__module__", "") == __name__)
for _name in OWN:  # written here for our arrays: as native as the tables
    NATIVE[_name] = HOST.pop(_name)
HOST.update(READERS)
