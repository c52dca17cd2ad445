"""Reverse mode over torch tensors: the one place where a function is recorded and pulled back.

Outside any transformation `torch.autograd.grad` does it: the function runs as plain Python on plain tensors. Inside
`vmap` or `jvp`, and under torch.compile, only `torch.func` may, and it does the same there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward as _run_backward

from dlengine.numpy.keeping import ArgumentWritten, Written, changed, keeping, suspended

Traced = Callable[[list[Tensor]], tuple[list[Tensor], list[Tensor]]]

_DEPTH: ContextVar[int] = ContextVar("depth", default=0)


class Pull(Protocol):
    """From cotangents of the outputs to those of the inputs; `batched`: all of them have one more axis in front."""

    def __call__(self, cotangents: list[Tensor], batched: bool = False) -> list[Tensor]: ...


class Recorded(NamedTuple):
    """A function's outputs, tensors that it passed out beside them, and the way back."""

    outputs: list[Tensor]
    extra: list[Tensor]
    pull: Pull


def record(function: Traced, tensors: list[Tensor], *, keep_graph: bool = False, once: bool = True) -> Recorded:
    """Run `function` on copies of `tensors` and remember how it got its outputs.

    keep_graph: the results may be differentiated again with respect to anything that the function closes over; it is
        switched on by itself inside another transformation and for inputs that require a gradient.
    once: `pull` is called a single time, so that the record may be freed then.
    """
    if torch.compiler.is_compiling() or in_transform():
        return _by_func(function, tensors)
    keep = torch.is_grad_enabled() and (keep_graph or _DEPTH.get() > 0 or any(t.requires_grad for t in tensors))
    return _by_autograd(function, tensors, keep, once)


def in_transform() -> bool:
    """Whether this runs inside one of torch.func's transformations (vmap, jvp)."""
    return torch._C._functorch.maybe_current_level() is not None


def nested(tensors: list[Tensor]) -> bool:
    """Whether something outside will differentiate what is computed here from `tensors`."""
    if torch.compiler.is_compiling():
        return False
    vmapped = torch._C._functorch.TransformType.Vmap
    levels = torch._C._functorch.get_interpreter_stack() or []
    recorded = torch.is_grad_enabled() and (_DEPTH.get() > 0 or any(tensor.requires_grad for tensor in tensors))
    return recorded or any(level.key() != vmapped for level in levels)


def plain(tensor: Tensor) -> Tensor:
    """A tensor cut off from a record that has ended."""
    return tensor.detach() if tensor.requires_grad else tensor


class _deeper:
    """Inside, a function is being recorded."""

    def __enter__(self) -> None:
        self.token = _DEPTH.set(_DEPTH.get() + 1)

    def __exit__(self, *error: object) -> None:
        _DEPTH.reset(self.token)


def _by_autograd(function: Traced, tensors: list[Tensor], keep: bool, once: bool) -> Recorded:
    with torch.enable_grad():
        sources = [_source(tensor, keep) for tensor in tensors]
        outputs, extra = _run(function, sources)
    live = [index for index, output in enumerate(outputs) if output.requires_grad]

    def pull(cotangents: list[Tensor], batched: bool = False) -> list[Tensor]:
        rows = cotangents[0].shape[:1] if batched else ()
        if not live:
            return [source.new_zeros((*rows, *source.shape)) for source in sources]
        ends, given = [outputs[index] for index in live], [cotangents[index] for index in live]
        found = (_pulled_rows if batched else _pulled)(ends, sources, given, keep or not once, keep)
        pairs = zip(found, sources, strict=True)
        return [source.new_zeros((*rows, *source.shape)) if each is None else each for each, source in pairs]

    if keep:
        return Recorded(outputs, extra, pull)
    return Recorded([plain(output) for output in outputs], [plain(tensor) for tensor in extra], pull)


def _pulled(
    ends: list[Tensor], sources: list[Tensor], given: list[Tensor], retain: bool, keep: bool
) -> Sequence[Tensor | None]:
    """torch.autograd.grad without its checks of what is right here by construction."""
    with torch.enable_grad():
        try:
            return _run_backward(tuple(ends), tuple(given), retain, keep, tuple(sources), True, accumulate_grad=False)
        except RuntimeError as error:
            if "modified by an inplace operation" in str(error):
                raise changed("an array") from error
            raise


def _pulled_rows(
    ends: list[Tensor], sources: list[Tensor], given: list[Tensor], retain: bool, keep: bool
) -> Sequence[Tensor | None]:
    with torch.enable_grad(), suspended():
        return torch.autograd.grad(ends, sources, given, retain, keep, allow_unused=True, is_grads_batched=True)


def _run(function: Traced, sources: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Run on the sources themselves; on copies if it assigns to an argument: that must not reach the caller's array."""
    code = _code_of(function)
    try:
        with _deeper(), keeping(sources, bare=code is not None and _SILENT.get(code, False)) as mark:
            outputs, extra = function(sources)
            result = [_apart(output, sources) for output in outputs], [_apart(tensor, sources) for tensor in extra]
        if code is not None and mark.outermost and not mark.record.bare:
            _SILENT[code] = _SILENT.get(code, True) and mark.record.writes == 0
        return result
    except Written:
        if not mark.outermost:
            raise
        _SILENT[code] = False
        return _run(function, sources)
    except ArgumentWritten as write:
        if write.args[0] is not mark:
            raise
        if code is not None:
            _SILENT[code] = False
    except RuntimeError as error:
        if "support saved tensor hooks" in str(error):  # torch.func's own transformations are used in there
            with _deeper(), suspended():
                return function([source.clone() for source in sources])
        if "leaf Variable that requires grad" not in str(error):  # torch's own way to write into an argument
            raise
    with _deeper(), keeping([]):
        return function([source.clone() for source in sources])


def _code_of(function: Traced) -> Any:
    """The code of the user's function that this one runs, if it is written in Python."""
    users: Any = getattr(function, "function", None)
    while hasattr(users, "__wrapped__"):
        users = users.__wrapped__
    return getattr(users, "__code__", None)


_SILENT: WeakKeyDictionary[Any, bool] = (
    WeakKeyDictionary()
)  # whether functions of this code have written nothing so far


def _apart(tensor: Tensor, sources: list[Tensor]) -> Tensor:
    """A result with memory of its own, where the function returned its argument."""
    return tensor.clone() if any(tensor is source or tensor._base is source for source in sources) else tensor


def _source(tensor: Tensor, keep: bool) -> Tensor:
    """What to differentiate with respect to: a node of its own, so that closures over `tensor` do not count."""
    if keep and tensor.requires_grad:
        return tensor.view_as(tensor)
    return tensor.detach().requires_grad_()


def _by_func(function: Traced, tensors: list[Tensor]) -> Recorded:
    def traced(*sources: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        outputs, extra = function([source.clone() for source in sources])
        return tuple(outputs), tuple(extra)

    with suspended():
        outputs, back, extra = torch.func.vjp(traced, *tensors, has_aux=True)  # type: ignore[misc]

    def pull(cotangents: list[Tensor], batched: bool = False) -> list[Tensor]:
        try:
            return list((torch.func.vmap(back) if batched else back)(tuple(cotangents)))
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
            raise RuntimeError(
                "inside vmap and jvp an assignment may not change what a gradient there needs: change a copy"
            ) from error

    return Recorded(list(outputs), list(extra), pull)
