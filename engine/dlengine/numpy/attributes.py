"""The attributes of `ndarray` that are more than a word of torch: layout, parts, and the flat view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dlengine.numpy import indexing
from dlengine.numpy.core import distinct, iterate, ndarray, tensor_of, to_host, wrap, writable


class Flags(dict):
    """Memory layout, read as `flags.c_contiguous` or `flags["C_CONTIGUOUS"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name.upper()]
        except KeyError:
            raise AttributeError(name) from None


def _flags(self: ndarray) -> Flags:
    tensor = self._tensor
    fortran = tensor.permute(tuple(range(tensor.dim() - 1, -1, -1))).is_contiguous()
    return Flags(
        C_CONTIGUOUS=tensor.is_contiguous(), F_CONTIGUOUS=fortran, OWNDATA=tensor._base is None,
        WRITEABLE=distinct(tensor), ALIGNED=True, WRITEBACKIFCOPY=False,
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
    ndim = self._tensor.dim()
    return wrap(self._tensor.mT if ndim == 2 else self._tensor.permute(tuple(range(ndim - 1, -1, -1))))


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
