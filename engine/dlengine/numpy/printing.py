"""Arrays as text, by NumPy's own formatter: what NumPy prints for the same values."""

from __future__ import annotations

from dlengine.numpy.core import ndarray, seen


def text(array: ndarray) -> str:
    """repr(): as NumPy's, with the device where that is not the CPU."""
    values, mapped = seen(array)
    found = repr(values)
    where = array._tensor.device
    found = found if where.type == "cpu" else f"{found[:-1]}, device='{where}')"
    return f"<for each example of vmap: {found}>" if mapped else found


def plain(array: ndarray) -> str:
    values, mapped = seen(array)
    return f"<for each example of vmap: {values}>" if mapped else str(values)
