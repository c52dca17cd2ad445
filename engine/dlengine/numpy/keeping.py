"""Values that the way back needs are kept when an assignment changes them, where torch alone would refuse.

While a function is recorded, whatever autograd saves goes through `_Saved`. Every write to an array calls
`before_write`, which copies what was saved from the same memory; so `h = np.exp(x); h[0] = 1` has a gradient. A write
that does not come through an array (torch's own, or one after the recording) is refused, by the tensor's version.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_pop = torch._C._autograd._pop_saved_tensors_default_hooks
_push = torch._C._autograd._push_saved_tensors_default_hooks


class _Saved:
    """A tensor that the way back needs, and its version when it was saved."""

    __slots__ = ("__weakref__", "tensor", "version")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.version = tensor, tensor._version


class _Record:
    """What has been saved while one function ran; `fresh` waits to be sorted by memory, which only a write needs."""

    def __init__(self) -> None:
        self.fresh: list[weakref.ref[_Saved]] = []
        self.by_memory: dict[int, list[weakref.ref[_Saved]]] = {}
        self.writes = 0

    def pack(self, tensor: Tensor) -> _Saved:
        saved = _Saved(tensor)
        self.fresh.append(weakref.ref(saved))
        return saved

    def keep(self, tensor: Tensor) -> None:
        self.writes += 1
        for reference in self.fresh:
            saved = reference()
            if saved is not None:
                self.by_memory.setdefault(_memory(saved.tensor), []).append(reference)
        self.fresh.clear()
        for reference in self.by_memory.pop(_memory(tensor), ()):
            saved = reference()
            if saved is not None and saved.tensor._version == saved.version:
                saved.tensor = saved.tensor.detach().clone()
                saved.version = saved.tensor._version


_current: ContextVar[_Record | None] = ContextVar("keeping", default=None)


def _memory(tensor: Tensor) -> int:
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):  # inside vmap: autograd saves what is within
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor.untyped_storage()._cdata


def _unpack(saved: _Saved) -> Tensor:
    if saved.tensor._version != saved.version:
        raise RuntimeError(
            f"an array of shape {tuple(saved.tensor.shape)} that the gradient needs was changed, by torch's own means "
            "or after the function had run: change a copy"
        )
    return saved.tensor


def before_write(tensor: Tensor) -> None:
    """To be called before a tensor's elements change."""
    record = _current.get()
    if record is not None:
        record.keep(tensor)


@contextmanager
def keeping() -> Iterator[None]:
    """Keep what is saved in here from later assignments. Nested ones are part of the outermost."""
    if _current.get() is not None:
        yield
        return
    record = _Record()
    token = _current.set(record)
    _push(record.pack, _unpack)
    try:
        yield
    finally:
        _pop()
        _current.reset(token)


class Checkpointed:
    """Contexts for the runs of a checkpointed function: if the first writes, the later ones copy what they save."""

    def __init__(self) -> None:
        self.wrote = False

    @contextmanager
    def first(self) -> Iterator[None]:
        record = _current.get() or _Record()
        token, before = _current.set(record), record.writes
        try:
            yield
        finally:
            _current.reset(token)
            self.wrote = record.writes > before

    def __enter__(self) -> None:
        if self.wrote:
            pack, unpack = torch._C._autograd._top_saved_tensors_default_hooks(True)
            _push(lambda tensor: pack(tensor.clone()), unpack)

    def __exit__(self, *error: object) -> None:
        if self.wrote:
            _pop()


@contextmanager
def suspended() -> Iterator[None]:
    """Inside, nothing is kept: torch.func refuses to work where something is."""
    record = _current.get()
    if record is None:
        yield
        return
    token = _current.set(None)
    _pop()
    try:
        yield
    finally:
        _push(record.pack, _unpack)
        _current.reset(token)
