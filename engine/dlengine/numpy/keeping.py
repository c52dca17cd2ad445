"""Values that the way back needs are kept when an assignment changes them, where torch alone would refuse.

While a function is recorded, whatever autograd saves goes through `_Saved`. Every write to an array calls
`before_write`, which copies what was saved from the same memory; so `h = np.exp(x); h[0] = 1` has a gradient. A write
that does not come through an array (torch's own, or one after the recording) is refused, by the tensor's version.

Packing costs a microsecond for every tensor saved. A function that wrote nothing when it was recorded last is recorded
without; at its first write `Written` stops it, and it is recorded again as all others are, from then on.
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


class _Saved:
    """A tensor that the way back needs, and its version when it was saved."""

    __slots__ = ("__weakref__", "tensor", "version")
    tensor: Tensor
    version: int


class ArgumentWritten(BaseException):
    """A function writes into an argument that it was given without a copy. No user's `except Exception` stops it."""


class Written(BaseException):
    """A function that had written nothing before writes: what was saved until now has not been kept."""


class _Record:
    """What has been saved while one function ran; `fresh` waits to be sorted by memory, which only a write needs.

    `lent` are tensors that are the caller's, each list with a mark, the outermost function's first.
    bare: nothing is packed, and so nothing may be written.
    """

    def __init__(self, bare: bool = False) -> None:
        self.bare = bare
        self.fresh: list[weakref.ref[_Saved]] = []
        self.by_memory: dict[int, list[weakref.ref[_Saved]]] = {}
        self.writes = 0
        self.lent: list[tuple[list[Tensor], object]] = []
        self.owners: dict[int, object] | None = None  # the marks of `lent` by memory, when a write has asked for them

    def pack(self, tensor: Tensor) -> _Saved:
        saved = _Saved()
        saved.tensor, saved.version = tensor, tensor._version
        self.fresh.append(weakref.ref(saved))
        return saved

    def keep(self, tensor: Tensor) -> None:
        self.writes += 1
        memory = _memory(tensor)
        if self.owners is None:
            self.owners = {_memory(each): mark for tensors, mark in reversed(self.lent) for each in tensors}
        if memory in self.owners:
            raise ArgumentWritten(self.owners[memory])
        if self.bare:
            raise Written
        for reference in self.fresh:
            saved = reference()
            if saved is not None:
                self.by_memory.setdefault(_memory(saved.tensor), []).append(reference)
        self.fresh.clear()
        for reference in self.by_memory.pop(memory, ()):
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
    tensor = saved.tensor
    if tensor._version != saved.version:
        raise changed(f"an array of shape {tuple(tensor.shape)}")
    return tensor


def changed(what: str) -> RuntimeError:
    return RuntimeError(
        f"{what} that the gradient needs was changed, by torch's own means or after the function had run: change a copy"
    )


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


class keeping:
    """`with keeping(lent) as mark:` keeps what is saved inside from later assignments.

    lent: tensors that may be read but not written to. Errors: ArgumentWritten, with the mark, at the first such write.
    bare: nothing is kept. Errors: Written, at the first write.
    Nested ones are part of the outermost.
    """

    def __init__(self, lent: list[Tensor], bare: bool = False) -> None:
        self.lent, self.bare = lent, bare

    def __enter__(self) -> keeping:
        outer = _current.get()
        self.outermost, self.record = outer is None, outer or _Record(self.bare)
        self.record.lent.append((self.lent, self))
        self.record.owners = None
        if self.outermost:
            self.token = _current.set(self.record)
            if not self.bare:
                _push(self.record.pack, _unpack)
        return self

    def __exit__(self, *error: object) -> None:
        if self.outermost:
            if not self.bare:
                _pop()
            _current.reset(self.token)
        self.record.lent.pop()
        self.record.owners = None


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
    if not record.bare:
        _pop()
    try:
        yield
    finally:
        if not record.bare:
            _push(record.pack, _unpack)
        _current.reset(token)
