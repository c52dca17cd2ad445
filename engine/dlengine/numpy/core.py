"""The array: one slot that holds a torch tensor. Methods and operators are added by `methods`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import torch
import torch.utils.dlpack
from torch import Tensor
from torch._C import _functorch
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.compiler import is_compiling
from torch.utils import _pytree as pytree

from dlengine.numpy import devices
from dlengine.numpy.dtypes import TO_NUMPY, TO_TORCH, default_complex, default_float, promote, torch_dtype
from dlengine.numpy.keeping import before_write


class ndarray:
    """An n-dimensional array on any device; `.tensor` is the torch tensor that it stands for (shared, not a copy).

    Made by `array`, `zeros` and so on; the constructor gives an uninitialised array as NumPy's does.
    """

    __slots__ = ("__weakref__", "_tensor")
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]
    _tensor: Tensor

    def __init__(self, shape: Any = (), dtype: Any = float, device: Any = None) -> None:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self._tensor = torch.empty(shape, dtype=torch_dtype(dtype), device=devices.pick(device))

    @property
    def tensor(self) -> Tensor:
        return self._tensor

    @property
    def dtype(self) -> Any:
        dtype = self._tensor.dtype
        return TO_NUMPY.get(dtype, dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._tensor.shape)

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._tensor = self._tensor.view(shape)

    @property
    def ndim(self) -> int:
        return self._tensor.dim()

    @property
    def size(self) -> int:
        return self._tensor.numel()

    @property
    def device(self) -> torch.device:
        return self._tensor.device

    def __getattr__(self, name: str) -> Any:
        # mypy's view of the generated methods; Python comes here only for a name that nothing has.
        raise AttributeError(f"'ndarray' object has no attribute '{name}'")


def wrap(tensor: Tensor) -> ndarray:
    """The array that stands for a tensor; they share memory."""
    array = object.__new__(ndarray)
    array._tensor = tensor
    return array


def wrap_all(value: Any) -> Any:
    """Tensors wrapped, also inside tuples and lists."""
    kind = type(value)
    if kind is Tensor:
        return wrap(value)
    if kind is tuple or kind is list:
        return kind([wrap(item) if type(item) is Tensor else wrap_all(item) for item in value])
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return value if type(value[0]) is ndarray else kind(*[wrap_all(item) for item in value])
    if issubclass(kind, (tuple, list)):
        return kind(map(wrap_all, value))
    return wrap(value) if isinstance(value, Tensor) else value


def unwrap_all(value: Any) -> Any:
    """Arrays replaced by their tensors, also inside tuples, lists and dicts."""
    if type(value) is ndarray:
        return value._tensor
    if type(value) in (tuple, list):
        return type(value)(map(unwrap_all, value))
    if type(value) is dict:
        return {key: unwrap_all(item) for key, item in value.items()}
    return value


def tensor_of(value: Any, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor of anything array-like. An array or a tensor stays where it is, the rest goes to `device`.

    Errors: TypeError for what no tensor can hold (objects, strings, dates); ValueError for ragged lists.
    """
    if type(value) is ndarray:
        tensor = value._tensor
    elif isinstance(value, Tensor):
        tensor = value
    else:
        where = device or devices.pick()
        tensor = _from_python(value, where)
        if tensor.device != where:
            tensor = tensor.to(device=where, dtype=devices.fitting(tensor.dtype, where))
    return tensor if dtype is None or tensor.dtype is dtype else tensor.to(dtype)


def _from_python(value: Any, device: torch.device) -> Tensor:
    kind = type(value)
    if kind is float:
        return torch.tensor(value, dtype=default_float())
    if kind is bool:
        return torch.tensor(value, dtype=torch.bool)
    if kind is complex:
        return torch.tensor(value, dtype=default_complex())
    if kind is list or kind is tuple:
        return _from_list(value, device)
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return from_host(numpy.asarray(value))
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return torch.utils.dlpack.from_dlpack(value)
    return from_host(numpy.asarray(value))


PLAIN = frozenset({bool, int, float})
_ONLY_FLOATS = {float}


def _from_list(values: Any, device: torch.device) -> Tensor:
    if len(values) < 64 and set(map(type, values)) == _ONLY_FLOATS:
        return torch.tensor(values, dtype=default_float())
    kinds = _kinds(values)
    if any(issubclass(kind, (ndarray, Tensor)) for kind in kinds):
        return _stacked(values, device)
    if is_compiling() and kinds and kinds <= PLAIN:
        return torch.tensor(values, dtype=default_float() if float in kinds else None)
    host = numpy.asarray(values)
    if host.dtype == numpy.float64 and not any(hasattr(kind, "dtype") for kind in kinds):
        host = host.astype(TO_NUMPY[default_float()], copy=False)
    return from_host(host)


def _kinds(values: Any) -> set[type]:
    """The types of what lies in nested lists."""
    found = set(map(type, values))
    if list not in found and tuple not in found:
        return found
    inside = [_kinds(value) for value in values if type(value) in (list, tuple)]
    return (found - {list, tuple}).union(*inside)


def _stacked(values: Any, device: torch.device) -> Tensor:
    """A nested list with arrays in it as one tensor, through which gradients flow."""
    first = next((v for v in values if isinstance(v, (ndarray, Tensor))), None)
    device = device if first is None else (first._tensor if isinstance(first, ndarray) else first).device
    parts = [tensor_of(value, device) for value in values]
    shapes = {tuple(part.shape) for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"setting an array element with a sequence: the parts have the shapes {sorted(shapes)}")
    dtype = promote(*[part.dtype for part in parts])
    return torch.stack([part.to(dtype) for part in parts])


def from_host(host: Any) -> Tensor:
    """A NumPy array as a tensor; memory is shared where both can describe it."""
    if not host.dtype.isnative:
        host = host.astype(host.dtype.newbyteorder("="))
    kind = TO_TORCH.get(host.dtype) or torch_dtype(host.dtype)  # a clear TypeError for objects, strings and dates
    if host.dtype.char != TO_NUMPY[kind].char:  # long long, which is another type of the same size
        host = host.view(TO_NUMPY[kind])
    if not host.flags.writeable or not _expressible(host):
        host = host.copy()
    return torch.from_numpy(host)


def _expressible(host: Any) -> bool:
    """Whether torch can describe this layout: no negative strides, and whole elements."""
    return all(stride >= 0 and stride % host.itemsize == 0 for stride in host.strides)


def to_host(value: Any) -> Any:
    """The NumPy array of an array or a tensor; memory is shared on the CPU. Errors: TypeError inside jvp and vmap."""
    tensor = value._tensor if type(value) is ndarray else value
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    try:
        return tensor.detach().cpu().resolve_conj().resolve_neg().numpy()
    except RuntimeError:
        if not _functorch.is_functorch_wrapped_tensor(tensor):
            raise
        raise TypeError("inside jvp or vmap an array cannot become a NumPy array, which would cut it off") from None


def seen(value: Any) -> tuple[Any, bool]:
    """The values as a NumPy array, for reading alone; and whether its first axis are the examples of vmap."""
    tensor = value._tensor if type(value) is ndarray else value
    axes: list[int] = []
    while _functorch.is_functorch_wrapped_tensor(tensor):
        place = _functorch.maybe_get_bdim(tensor) if _functorch.is_batchedtensor(tensor) else None
        tensor = _functorch.get_unwrapped(tensor)
        if place is not None:
            axes.append(place)
    with temporarily_clear_interpreter_stack():  # inside a transformation every result would be wrapped again
        for mapped, place in enumerate(reversed(axes)):
            tensor = tensor.movedim(place + mapped, mapped)
        return to_host(tensor), bool(axes)


def distinct(tensor: Tensor) -> bool:
    """Whether every element has memory of its own, which a broadcast view's have not."""
    strides = tensor.stride()
    if 0 not in strides or tensor.numel() == 0:
        return True
    return not any(s == 0 and n > 1 for s, n in zip(strides, tensor.shape, strict=True))


def writable(tensor: Tensor) -> Tensor:
    """A tensor about to be written to: its elements are distinct memory, and what a gradient needs of it is kept.

    Errors: ValueError, NumPy's for a broadcast view.
    """
    if not distinct(tensor):
        raise ValueError(
            f"assignment destination is read-only: a broadcast view of shape {tuple(tensor.shape)}; write to a copy"
        )
    before_write(tensor)
    return tensor


@torch._dynamo.assume_constant_result
def _castable(have: torch.dtype, want: torch.dtype, casting: Any) -> bool:
    return numpy.can_cast(TO_NUMPY.get(have, "f4"), TO_NUMPY.get(want, "f4"), casting)


def write(target: Any, value: Tensor, casting: str = "same_kind") -> Any:
    """Copy `value` into `target` (an array, or a NumPy array). Errors: ValueError (shape), TypeError (unsafe cast)."""
    if isinstance(target, numpy.ndarray):
        numpy.copyto(target, to_host(value), casting=casting)  # type: ignore[arg-type]
        return target
    goal = writable(tensor_of(target))
    if not _castable(value.dtype, goal.dtype, casting):
        have, want = (TO_NUMPY.get(dtype, dtype) for dtype in (value.dtype, goal.dtype))
        raise TypeError(f"Cannot cast output from {have!r} to {want!r} with casting rule '{casting}'")
    if tuple(goal.shape) != tuple(value.shape):
        try:
            value = value.expand(goal.shape)
        except RuntimeError:
            text = f"non-broadcastable output operand with shape {tuple(goal.shape)} doesn't match {tuple(value.shape)}"
            raise ValueError(text) from None
    try:
        goal.copy_(value)
    except RuntimeError as error:
        if type(target) is not ndarray or not needs_lifting(error):
            raise
        target._tensor = lifted(goal, value)
        target._tensor.copy_(value)
    return target


def needs_lifting(error: RuntimeError) -> bool:
    """Whether vmap refused to write what differs between the examples into what does not."""
    return "vmap: inplace" in str(error)


def lifted(tensor: Tensor, value: Tensor) -> Tensor:
    """The tensor with the mapped axes of `value`. Errors: RuntimeError where other arrays look at its memory."""
    try:
        shared = tensor._base is not None or torch._C._storage_Use_Count(tensor.untyped_storage()._cdata) > 2
    except NotImplementedError:  # the memory of a tensor inside a transformation is not to be seen
        shared = True
    if shared:
        raise RuntimeError(
            "inside vmap, what differs between the examples cannot be written into a view or into an array that has "
            "views, when their elements do not differ: write into a copy"
        )
    never = torch.zeros_like(value, dtype=torch.bool).any()
    return torch.where(never, tensor, tensor)


def device_of(values: Any) -> torch.device | None:
    """The device of the first array or tensor among the values (lists are searched), if there is one."""
    for value in values:
        if type(value) is ndarray:
            return value._tensor.device
        if isinstance(value, Tensor):
            return value.device
        if type(value) in (list, tuple):
            found = device_of(value)
            if found is not None:
                return found
    return None


def _flatten(array: ndarray) -> tuple[list[Any], None]:
    return [array._tensor], None


def _unflatten(children: Any, context: None) -> ndarray:
    return wrap(next(iter(children)))


pytree.register_pytree_node(ndarray, _flatten, _unflatten, serialized_type_name="dlengine.numpy.ndarray")


def iterate(array: ndarray) -> Iterator[ndarray]:
    """Rows that alias the array; the elements of a one-dimensional array are copies, as NumPy's scalars are."""
    tensor = array._tensor
    if tensor.dim() == 0:
        raise TypeError("iteration over a 0-d array")
    for row in tensor.unbind(0):
        yield wrap(row.clone() if tensor.dim() == 1 else row)
