"""Arrays as text, by NumPy's own formatter: what NumPy prints for the same values."""

from __future__ import annotations

from dlengine.numpy.core import ndarray, to_host


def text(array: ndarray) -> str:
    """repr(): as NumPy's, with the device where that is not the CPU."""
    found = repr(to_host(array))
    where = array._tensor.device
    return found if where.type == "cpu" else f"{found[:-1]}, device='{where}')"


def plain(array: ndarray) -> str:
    return str(to_host(array))
