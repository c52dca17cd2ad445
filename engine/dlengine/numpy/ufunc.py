"""Universal functions: NumPy's dtype rules (asked of NumPy once per pair of dtypes), torch's kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.compiler import is_compiling

from dlengine.numpy import errors, fallback, reduce
from dlengine.numpy.core import device_of, ndarray, tensor_of, wrap, write
from dlengine.numpy.dtypes import (
    TO_NUMPY,
    TO_TORCH,
    WEAK,
    NoTensor,
    is_inexact,
    narrowed,
    on_default_change,
    promote,
    torch_dtype,
)

_PROMOTING = frozenset({"add", "subtract", "multiply", "divide"})
Plan = tuple[Any, ...]  # the dtype to cast each input to (None: as it is), then the dtype of the output
PLANS: dict[tuple[Any, ...], Plan] = {}
on_default_change(PLANS.clear)


def _resolve(name: str, kinds: tuple[Any, ...], dtype: torch.dtype | None = None) -> tuple[torch.dtype, ...]:
    """The dtypes in which NumPy would compute: one per input and output. Errors: NumPy's UFuncTypeError."""
    ufunc = getattr(numpy, name)
    given = tuple(kind if kind in WEAK else TO_NUMPY[kind] for kind in kinds)
    asked = {} if dtype is None else {"signature": (*(None,) * ufunc.nin, *(TO_NUMPY[dtype],) * ufunc.nout)}
    found = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout), **asked)
    return tuple(narrowed(TO_TORCH[d], (*kinds, dtype)) for d in found)


@torch._dynamo.assume_constant_result
def make_plan(name: str, kinds: tuple[Any, ...]) -> Plan:
    """The plan for inputs of these dtypes (or types of Python's numbers); remembered."""
    if all(kind in WEAK or kind in TO_NUMPY for kind in kinds):
        found = _resolve(name, kinds)
    else:  # bfloat16, which NumPy lacks: torch's rules
        wide = promote(*[kind for kind in kinds if kind not in WEAK])
        truth = getattr(numpy, name).types[0].endswith("?")
        found = (*(wide for _ in kinds), torch.bool if truth else wide)
    casts = [None if kind is dtype else dtype for kind, dtype in zip(kinds, found, strict=False)]
    if name in _PROMOTING and found[0] is found[1] and found[0].is_floating_point:
        for this, other in ((0, 1), (1, 0)):  # an integer beside a float of the result's dtype: torch casts as it goes
            whole = kinds[this] not in WEAK and not is_inexact(kinds[this])
            if whole and kinds[other] not in WEAK and casts[this] is not None:
                casts[this] = None
                break
    plan = (*casts, *found[len(kinds) :])
    PLANS[(name, *kinds)] = plan
    return plan


def plan_of(name: str, *kinds: Any) -> Plan:
    """The plan, remembered. torch.compile takes it as a constant: the memory must not become one of its guards."""
    if is_compiling():
        return make_plan(name, kinds)
    return PLANS.get((name, *kinds)) or make_plan(name, kinds)


def _direct(model: Any, dtype: torch.dtype) -> bool:
    char = TO_NUMPY[dtype].char
    return any(f"{char * model.nin}->{result}" in model.types for result in (char, "?"))


class ufunc:
    """One universal function: called, or through reduce, accumulate, reduceat, outer and at."""

    __slots__ = ("__name__", "_closed", "_kernel", "_numbers", "nargs", "nin", "nout")

    def __init__(self, name: str, kernel: Callable[..., Any], numbers: frozenset[int] = frozenset()) -> None:
        """`numbers`: the operands that the kernel also takes as Python's numbers."""
        model = getattr(numpy, name)
        self.__name__, self._kernel, self._numbers = model.__name__, kernel, numbers
        self.nin, self.nout, self.nargs = model.nin, model.nout, model.nargs
        # floats (of one dtype) for which torch gives NumPy's dtype by itself: nothing is to be looked up
        self._closed = frozenset(dtype for dtype in (torch.float32, torch.float64) if _direct(model, dtype))

    def __repr__(self) -> str:
        return f"<ufunc '{self.__name__}'>"

    def __reduce__(self) -> Any:
        return _by_name, (self.__name__,)

    @property
    def identity(self) -> Any:
        return getattr(numpy, self.__name__).identity

    @property
    def types(self) -> Any:
        return getattr(numpy, self.__name__).types

    def _general(self, args: tuple[Any, ...], out: Any, where: Any, dtype: Any, casting: str = "same_kind") -> Any:
        """Any inputs, any options: arrays are converted and checked, then computed as NumPy would."""
        if len(args) > self.nin and out is None:
            args, out = args[: self.nin], args[self.nin :]
        if len(args) != self.nin:
            raise TypeError(f"{self.__name__}() takes from {self.nin} to {self.nargs} positional arguments")
        device = device_of(args)
        weak = not all(type(a) in WEAK for a in args)
        try:
            inputs = [a if weak and type(a) in WEAK else tensor_of(a, device) for a in args]
            kind = None if dtype is None else torch_dtype(dtype)
        except NoTensor as error:
            options = {"out": out, "dtype": dtype} | ({} if where is True else {"where": where})
            return fallback.foreign(self.__name__, error, args, options)
        tensors = [t for t in inputs if isinstance(t, Tensor)]
        errors.check_devices(tensors)
        shape = () if isinstance(self, Product) else errors.broadcast(*[tuple(t.shape) for t in tensors])
        kinds = tuple(t.dtype if isinstance(t, Tensor) else type(t) for t in inputs)
        if kind is None:
            plan = plan_of(self.__name__, *kinds)
        else:
            plan = _resolve(self.__name__, kinds, kind)
        pairs = enumerate(zip(inputs, plan, strict=False))
        ready = [self._ready(place, value, cast, tensors[0]) for place, (value, cast) in pairs]
        if any(type(a) is int and not fits(a, tensors[0]) for a in inputs):
            return out_of_range(self, *args)
        try:
            result = self._kernel(*ready)
        except (RuntimeError, TypeError, OverflowError) as error:
            if not fallback.possible(self.__name__, ready):
                errors.reraise(self.__name__, error, ready)
            return fallback.on_host(
                self.__name__, tuple(wrap(r) if isinstance(r, Tensor) else r for r in ready), {"out": out}
            )
        results = result if self.nout > 1 else (result,)
        results = tuple(r.to(d) for r, d in zip(results, plan[self.nin :], strict=True))
        if where is not True:
            results = tuple(self._chosen(r, where, out, i) for i, r in enumerate(results))
        done = self._stored(results, out, casting, shape)
        return done if self.nout > 1 else done[0]

    def _ready(self, place: int, value: Any, cast: Any, like: Tensor) -> Any:
        if isinstance(value, Tensor):
            return value if cast is None else value.to(cast)
        return value if place in self._numbers else torch.scalar_tensor(value, dtype=cast, device=like.device)

    def _chosen(self, result: Tensor, where: Any, out: Any, index: int) -> Tensor:
        mask = tensor_of(where, result.device).to(torch.bool)
        old = (out[index] if isinstance(out, tuple) else out) if out is not None else None
        rest = torch.zeros((), dtype=result.dtype, device=result.device) if old is None else tensor_of(old)
        return torch.where(mask, result, rest.to(result.dtype))

    def _stored(self, results: tuple[Any, ...], out: Any, casting: str, shape: Any) -> tuple[Any, ...]:
        goals = out if isinstance(out, tuple) else (out,) * self.nout if out is None else (out,)
        return tuple(
            wrap(r) if goal is None else write(goal, r, casting) for r, goal in zip(results, goals, strict=True)
        )

    # The rest is in `reduce`: the methods of NumPy's ufuncs.
    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False,
               initial: Any = numpy._NoValue, where: Any = True) -> Any:  # fmt: skip
        return reduce.fold(self, array, axis, dtype, out, keepdims, initial, where)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return reduce.accumulate(self, array, axis, dtype, out)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return reduce.fold_at(self, array, indices, axis, dtype, out)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        x, y = wrap(tensor_of(a, device_of((b,)))), wrap(tensor_of(b, device_of((a,))))
        return self(wrap(x._tensor.reshape(tuple(x.shape) + (1,) * y.ndim)), y, **kwargs)  # type: ignore[operator]

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        reduce.at(self, a, indices, b)


class Unary(ufunc):
    """A ufunc of one input."""

    __slots__ = ()

    def __call__(self, x: Any, out: Any = None, *more: Any, where: Any = True, dtype: Any = None,
                 casting: str = "same_kind", order: str = "K", subok: bool = True) -> Any:  # fmt: skip
        if type(x) is ndarray and out is None and where is True and dtype is None:
            tensor = x._tensor
            if tensor.dtype in self._closed:
                return wrap(self._kernel(tensor))
            plan = plan_of(self.__name__, tensor.dtype)
            if plan[0] is not None:
                tensor = tensor.to(plan[0])
            if self.nout == 1:
                try:
                    result = self._kernel(tensor)
                except (RuntimeError, TypeError):
                    return self._general((x,), out, where, dtype)
                return wrap(result if result.dtype is plan[1] else result.to(plan[1]))
        return self._general((x,), (out, *more) if more else out, where, dtype, casting)


class Binary(ufunc):
    """A ufunc of two inputs."""

    __slots__ = ()

    def __call__(self, x1: Any, x2: Any, out: Any = None, *more: Any, where: Any = True, dtype: Any = None,
                 casting: str = "same_kind", order: str = "K", subok: bool = True) -> Any:  # fmt: skip
        if out is None and where is True and dtype is None and self.nout == 1:
            return self.pair(x1, x2)
        return self._general((x1, x2), (out, *more) if more else out, where, dtype, casting)

    def pair(self, x1: Any, x2: Any) -> Any:
        """The usual call: two inputs and nothing else."""
        if type(x1) is type(x2) is ndarray and x1._tensor.dtype is x2._tensor.dtype in self._closed:
            try:
                return wrap(self._kernel(x1._tensor, x2._tensor))
            except (RuntimeError, TypeError):
                return self._general((x1, x2), None, True, None)
        if type(x1) is ndarray:
            t1: Any = x1._tensor
            k1: Any = t1.dtype
        else:
            t1, k1 = x1, type(x1)
            if k1 not in WEAK or type(x2) is not ndarray:
                return self._general((x1, x2), None, True, None)
        if type(x2) is ndarray:
            t2: Any = x2._tensor
            k2: Any = t2.dtype
        else:
            t2, k2 = x2, type(x2)
            if k2 not in WEAK:
                return self._general((x1, x2), None, True, None)
        if is_compiling():
            plan = make_plan(self.__name__, (k1, k2))
        else:
            plan = PLANS.get((self.__name__, k1, k2)) or make_plan(self.__name__, (k1, k2))
        c1, c2, kind = plan
        if c1 is not None and k1 not in WEAK:
            t1 = t1.to(c1)
        if c2 is not None and k2 not in WEAK:
            t2 = t2.to(c2)
        if (k1 is int and not fits(x1, t2)) or (k2 is int and not fits(x2, t1)):
            return out_of_range(self, x1, x2)
        if k1 in WEAK:
            if 0 not in self._numbers:
                t1 = torch.scalar_tensor(t1, dtype=c1, device=t2.device)
        elif k2 in WEAK and 1 not in self._numbers:
            t2 = torch.scalar_tensor(t2, dtype=c2, device=t1.device)
        try:
            result = self._kernel(t1, t2)
        except (RuntimeError, TypeError, OverflowError):
            return self._general((x1, x2), None, True, None)
        return wrap(result if result.dtype is kind else result.to(kind))


class Product(Binary):
    """A generalised ufunc: its operands' last axes are matrices or vectors; `axes` names other ones."""

    __slots__ = ()

    def __call__(  # type: ignore[override]
        self, x1: Any, x2: Any, /, out: Any = None, *, axes: Any = None, axis: Any = None,
        dtype: Any = None, casting: str = "same_kind", order: str = "K", subok: bool = True,
    ) -> Any:  # fmt: skip
        if axis is not None:
            axes = [(axis,), (axis,), ()]
        if axes is not None:
            x1, x2 = (_core_last(x, core) for x, core in zip((x1, x2), axes[:2], strict=True))
        if out is None and dtype is None:
            found = self.pair(x1, x2)
        else:
            found = self._general((x1, x2), None if axes else out, True, dtype, casting)
        if axes is None:
            return found
        core = _axes(axes[2]) if len(axes) > 2 else ()
        moved = wrap(found._tensor.movedim(tuple(range(-len(core), 0)), core)) if core else found
        return moved if out is None else write(out, moved._tensor, casting)


def _axes(core: Any) -> tuple[int, ...]:
    return tuple(core) if isinstance(core, (tuple, list)) else (core,)


def _core_last(x: Any, core: Any) -> ndarray:
    tensor, axes = tensor_of(x), _axes(core)
    return wrap(tensor.movedim(axes, tuple(range(-len(axes), 0))))


LIMITS = {
    dtype: (int(numpy.iinfo(name).min), int(numpy.iinfo(name).max))
    for dtype, name in TO_NUMPY.items()
    if name.kind in "iu"
}


def fits(number: int, tensor: Tensor) -> bool:
    limits = LIMITS.get(tensor.dtype)
    return limits is None or limits[0] <= number <= limits[1]


def out_of_range(function: ufunc, *args: Any) -> Any:
    """A Python integer beyond the array's dtype: NumPy compares it exactly, and refuses it in arithmetic."""
    return fallback.on_host(function.__name__, args, {})


def _by_name(name: str) -> Any:
    from dlengine.numpy.native import NATIVE

    return NATIVE[name]
