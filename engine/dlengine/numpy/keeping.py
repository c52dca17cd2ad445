"""Values that the way back needs are kept when an assignment changes them, where torch alone would refuse.

While a function is recorded, whatever autograd saves goes through `_Saved`. Every write to an array calls
`before_write`, which copies what was saved from the same memory; so `h = np.exp(x); h[0] = 1` has a gradient. A write
that does not come through an array (torch's own, or one after the recording) is refused, by the tensor's version.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.compiler import is_compiling

_pop = torch._C._autograd._pop_saved_tensors_default_hooks
_push = torch._C._autograd._push_saved_tensors_default_hooks


class _Saved(list):
    """A tensor that the way back needs, and its version when it was saved."""

    __slots__ = ("__weakref__",)


class ArgumentWritten(BaseException):
    """A function writes into an argument that it was given without a copy. No user's `except Exception` stops it."""


class _Record:
    """What has been saved while one function ran; `fresh` waits to be sorted by memory, which only a write needs.

    `shared` is memory that is the caller's.
    """

    def __init__(self) -> None:
        self.fresh: list[weakref.ref[_Saved]] = []
        self.by_memory: dict[int, list[weakref.ref[_Saved]]] = {}
        self.writes = 0
        self.shared: dict[int, object] = {}

    def pack(self, tensor: Tensor) -> _Saved:
        saved = _Saved((tensor, tensor._version))
        self.fresh.append(weakref.ref(saved))
        return saved

    def keep(self, tensor: Tensor) -> None:
        self.writes += 1
        memory = _memory(tensor)
        if memory in self.shared:
            raise ArgumentWritten(self.shared[memory])
        for reference in self.fresh:
            saved = reference()
            if saved is not None:
                self.by_memory.setdefault(_memory(saved[0]), []).append(reference)
        self.fresh.clear()
        for reference in self.by_memory.pop(memory, ()):
            saved = reference()
            if saved is not None and saved[0]._version == saved[1]:
                copied = saved[0].detach().clone()
                saved[:] = copied, copied._version


_current: ContextVar[_Record | None] = ContextVar("keeping", default=None)


def _memory(tensor: Tensor) -> int:
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):  # inside vmap: autograd saves what is within
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor.untyped_storage()._cdata


def _unpack(saved: _Saved) -> Tensor:
    tensor, version = saved
    if tensor._version != version:
        raise RuntimeError(
            f"an array of shape {tuple(tensor.shape)} that the gradient needs was changed, by torch's own means "
            "or after the function had run: change a copy"
        )
    return tensor


def recording() -> bool:
    """Whether a function that is being differentiated runs."""
    return _current.get() is not None


def before_write(tensor: Tensor) -> None:
    """To be called before a tensor's elements change."""
    if is_compiling():  # torch.compile makes assignments functional itself
        return
    record = _current.get()
    if record is not None:
        record.keep(tensor)


@contextmanager
def keeping(shared: list[Tensor]) -> Iterator[object]:
    """Keep what is saved in here from later assignments; gives a mark that the exception carries.

    shared: tensors that may be read but not written to. Errors: ArgumentWritten at the first such write.
    Nested ones are part of the outermost.
    """
    outer, mark = _current.get(), object()
    record = outer or _Record()
    fresh = dict.fromkeys([_memory(tensor) for tensor in shared], mark)
    before, record.shared = record.shared, {**fresh, **record.shared}
    token = _current.set(record)
    if outer is None:
        _push(record.pack, _unpack)
    try:
        yield mark
    finally:
        if outer is None:
            _pop()
        _current.reset(token)
        record.shared = before


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


def suspended() -> AbstractContextManager[None]:
    """Inside, nothing is kept: torch.func refuses to work where something is."""
    return nullcontext() if is_compiling() else _suspended()


@contextmanager
def _suspended() -> Iterator[None]:
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
