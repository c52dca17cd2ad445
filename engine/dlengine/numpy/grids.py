"""The objects of NumPy that are indexed instead of called: r_, c_, mgrid, ogrid."""

from __future__ import annotations

from typing import Any

import numpy
import torch

from dlengine.numpy import devices
from dlengine.numpy.core import device_of, tensor_of, wrap
from dlengine.numpy.dtypes import default_float
from dlengine.numpy.fallback import from_numpy
from dlengine.numpy.native import NATIVE


class _Joined:
    """`r_[0:3, x, 7]`: slices become ranges, and everything is joined along the first (c_: the last) axis."""

    def __init__(self, columns: bool) -> None:
        self._columns = columns

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, str) for part in parts):
            raise NotImplementedError("r_ and c_ take no directions in text: use concatenate, stack or reshape")
        made = [_range(part) if isinstance(part, slice) else wrap(tensor_of(part, device_of(parts))) for part in parts]
        if self._columns:
            return NATIVE["concatenate"]([m._tensor.reshape(-1, 1) if m.ndim < 2 else m for m in made], axis=-1)
        return NATIVE["concatenate"]([NATIVE["atleast_1d"](m) for m in made])


def _range(part: slice) -> Any:
    start = 0 if part.start is None else part.start
    if isinstance(part.step, complex):
        return NATIVE["linspace"](start, part.stop, int(abs(part.step)))
    return NATIVE["arange"](start, part.stop, 1 if part.step is None else part.step)


class _Grid:
    """`mgrid[0:3, 0:1:5j]`: the coordinates of a grid; ogrid gives them open."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getitem__(self, key: Any) -> Any:
        made = from_numpy(self._model[key], devices.pick())
        narrow = default_float() is torch.float32
        return (
            NATIVE["astype"](made, numpy.float32) if narrow and getattr(made, "dtype", None) == numpy.float64 else made
        )


r_, c_ = _Joined(False), _Joined(True)
mgrid, ogrid = _Grid(numpy.mgrid), _Grid(numpy.ogrid)
