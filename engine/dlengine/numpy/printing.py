"""Arrays as text, by NumPy's own formatter: what NumPy prints for the same values."""

from __future__ import annotations

from typing import Any

import numpy

from dlengine.numpy.core import ndarray, to_host
from dlengine.numpy.native import NATIVE


def text(array: ndarray) -> str:
    """repr(): as NumPy's, with the device where that is not the CPU."""
    found = repr(to_host(array))
    where = array._tensor.device
    return found if where.type == "cpu" else f"{found[:-1]}, device='{where}')"


def plain(array: ndarray) -> str:
    return str(to_host(array))


def _formatter(name: str) -> Any:
    function = getattr(numpy, name)

    def call(a: Any, *args: Any, **kwargs: Any) -> str:
        return function(to_host(a) if isinstance(a, ndarray) else a, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    return call


for _name in ("array2string", "array_repr", "array_str", "format_float_positional", "format_float_scientific"):
    NATIVE[_name] = _formatter(_name)
