"""Views whose elements overlap: gradients flow through them, and add up where a window shares an element."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.native import NATIVE, local
from dlengine.numpy.table_shape import sizes_of

broadcast_to, broadcast_arrays = NATIVE["broadcast_to"], NATIVE["broadcast_arrays"]


@local
def as_strided(
    x: Tensor, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
) -> Tensor:
    """A view of the shape, its strides in bytes. Errors: ValueError for negative strides and parts of elements."""
    sizes = tuple(x.shape) if shape is None else sizes_of(shape)
    width = x.element_size()
    steps = tuple(n * width for n in x.stride()) if strides is None else sizes_of(strides)
    if any(step < 0 or step % width for step in steps):
        raise ValueError(f"as_strided: strides {steps} must be whole elements of {width} bytes, and not negative")
    if len(sizes) != len(steps):
        raise ValueError(f"as_strided: shape {sizes} and strides {steps} differ in length")
    return torch.as_strided(x, sizes, tuple(step // width for step in steps), x.storage_offset())


@local
def sliding_window_view(
    x: Tensor, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Tensor:
    """Every window of a shape: the axes of the windows come last. Errors: ValueError for one larger than the array."""
    window = sizes_of(window_shape)
    if any(n < 0 for n in window):
        raise ValueError("`window_shape` cannot contain negative values")
    if axis is None:
        axes = tuple(range(x.dim()))
        if len(window) != len(axes):
            raise ValueError(f"without an axis, a window of shape {window} needs an array of {len(window)} dimensions, "
                             f"not one of shape {tuple(x.shape)}")  # fmt: skip
    else:
        axes = tuple(errors.normal_axis(each, x.dim()) for each in sizes_of(axis))
        if len(window) != len(axes):
            raise ValueError(f"a window of shape {window} does not match the axes {axes}: one size for each")
    for dim, size in zip(axes, window, strict=True):
        if size > x.shape[dim]:
            raise ValueError(f"window shape cannot be larger than input array shape: {window} and {tuple(x.shape)}")
        x = x.unfold(dim, size, 1)
    return x
