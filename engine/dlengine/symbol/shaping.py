"""Operators that only rearrange numbers."""

from __future__ import annotations

import math

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.symbol.call import Call
from dlengine.symbol.node import Ref
from dlengine.symbol.parameters import Count, Integer, Integers, Text, choose
from dlengine.symbol.registry import Shape, Step, operator


@operator("shape")
def Flatten(x: Shape) -> Step:
    """(N, ...) -> (N, numbers of a sample)."""
    return nn.Flatten()


@operator("shape")
def Reshape(x: Shape, *, shape: Integers) -> Step:
    """Another shape for the same numbers: 0 keeps the axis at that place, -1 takes what is left, once.

    An axis that keeps the batch keeps any batch size.
    """
    if shape.count(-1) > 1 or any(size < -1 for size in shape) or shape[len(x) :].count(0):
        raise EngineError(
            f"shape={shape} is not possible", "0 keeps an axis that is there, -1 stands for the rest, once"
        )
    sizes = [x[axis] if size == 0 else size for axis, size in enumerate(shape)]
    if -1 in sizes:
        left = math.prod(x) // max(math.prod([size for size in sizes if size != -1]), 1)
        sizes[sizes.index(-1)] = left
    if math.prod(sizes) != math.prod(x):
        raise EngineError(f"{math.prod(x)} numbers do not fit into shape={shape}")
    if shape[0] == 0:  # this is the batch, whose size is not fixed
        sizes[0] = -1
    return Call(torch.reshape, (Ref(0), tuple(sizes)))


@operator("shape", inputs=(1, 99))
def Concat(*shapes: Shape, dim: Integer = 1) -> Step:
    """Inputs side by side along the axis `dim`."""
    return Call(torch.cat, ([Ref(index) for index in range(len(shapes))],), {"dim": dim})


@operator("shape")
def Transpose(x: Shape, *, axes: Integers) -> Step:
    """The axes in another order."""
    return Call(torch.permute, (Ref(0), axes))


@operator("shape")
def UpSampling(x: Shape, *, scale: Count, sample_type: Text = "nearest") -> Step:
    """Space enlarged `scale` times, by "nearest" or "bilinear"."""
    mode = choose("UpSampling", "sample_type", sample_type, {"nearest": "nearest", "bilinear": "bilinear"})
    return nn.Upsample(scale_factor=scale, mode=mode)


@operator("shape", outputs=lambda params: tuple((index,) for index in range(params["num_outputs"])))
def Split(x: Shape, *, num_outputs: Count, axis: Integer = 1) -> Step:
    """Equal parts along an axis: a group of `num_outputs`."""
    if x[axis] % num_outputs:
        raise EngineError(f"an axis of {x[axis]} cannot be split into {num_outputs} equal parts")
    return Call(torch.chunk, (Ref(0), num_outputs), {"dim": axis})
