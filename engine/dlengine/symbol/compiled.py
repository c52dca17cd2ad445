"""compile: a symbol, a module or a function as a callable that runs in the fastest form that works."""

from __future__ import annotations

import functools
import inspect
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from dlengine.errors import EngineError
from dlengine.symbol.arrays import is_array, unwrap, wrap
from dlengine.symbol.bind import bind
from dlengine.symbol.simplify import simplify
from dlengine.symbol.symbol import Symbol
from dlengine.symbol.trace import capture, parameters_of

BACKENDS = ("auto", "fx", "inductor")
RTOL, ATOL = 1e-4, 1e-5  # what the form made by torch.compile may differ by
_LARGE = 1_000_000  # numbers in the arguments, from which on fusing pays on a CPU
_MANY = 64  # captures of one target
_FEW = 3  # calls that can be fused
_GAIN = 0.95  # the part of the time below which a form is faster


class CompileWarning(UserWarning):
    """Something runs as it is, because it cannot be captured."""


def compile(target: Symbol | nn.Module | Callable[..., Any], *, backend: str = "auto") -> Compiled:
    """A callable that computes what `target` does, in a captured form.

    backend: "fx" captures with torch.fx, removes what is computed twice, and is equal to the bit. "inductor" has
    torch.compile generate code, equal within a relative 1e-4. "auto" tries that on a GPU, and on a CPU for large
    element-wise functions, and keeps it if it is equal within that and measured faster. What cannot be captured runs
    as it is, with a CompileWarning; `Compiled.form` and `Compiled.reason` tell.

    A symbol gets weights at its first call, for the shapes of that call; `Compiled.module` holds them. Weights, buffers
    and training mode stay those of the module. What a function reads from outside, and prints, belongs to its capture.
    """
    if backend not in BACKENDS:
        raise EngineError(f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    if not isinstance(target, Symbol) and not callable(target):
        raise EngineError(
            f"a {type(target).__name__} cannot be compiled", "give a symbol, a torch module or a function"
        )
    return Compiled(target, backend)


class Compiled:
    """What `compile` returns; call it as the original. `form` is "eager", "fx" or "inductor", None before a call."""

    def __init__(self, target: Any, backend: str) -> None:
        self.module = target if isinstance(target, nn.Module) else None
        self.form: str | None = None
        self.reason = "not called yet"
        self._target = target
        self._backend = backend
        self._forms: dict[Any, _Form] = {}
        if not isinstance(target, Symbol):
            functools.update_wrapper(self, target if not isinstance(target, nn.Module) else target.forward)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self._target, Symbol):
            self._bind(args, kwargs)
        key = self._key(args, kwargs)
        if key not in self._forms:
            if len(self._forms) == _MANY:
                raise EngineError(f"called with {_MANY} kinds of arguments that are no arrays", "give them as arrays")
            self._forms[key] = _Form(self._target, self._backend, args, kwargs)
        form = self._forms[key]
        result = form(args, kwargs)
        self.form, self.reason = form.name, form.reason
        return result

    def __repr__(self) -> str:
        name = getattr(self._target, "__qualname__", type(self._target).__name__)
        return f"<compiled {name}: {self.form or 'not called yet'}{f' ({self.reason})' if self.form else ''}>"

    @property
    def code(self) -> str:
        """The Python code of the last captured form."""
        codes = [form.code for form in self._forms.values() if form.code]
        return codes[-1] if codes else ""

    def _bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        shapes = [tuple(arg.shape) for arg in args]
        named: dict[str, Any] = {name: tuple(value.shape) for name, value in kwargs.items()}
        self._target = self.module = bind(self._target, *shapes, **named)

    def _key(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a captured form depends on: arguments that are no arrays, and which modules are in training."""
        state: tuple[Any, ...] = ()
        if self.module is not None:
            modes, buffers = (part.training for part in self.module.modules()), self.module.buffers()
            state = (*modes, *map(id, buffers))
        return state, torch.is_grad_enabled(), tuple(map(_kind, args)), tuple((k, _kind(v)) for k, v in kwargs.items())


def _kind(value: Any) -> Any:
    """What one argument contributes to the key: arrays their place, everything else its value."""
    if _is_tensor(value):
        tensor = unwrap(value)
        return type(value).__name__, str(tensor.device), tensor.requires_grad, tensor.numel() >= _LARGE
    return type(value).__name__, value if _fixed(value) else None


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or is_array(value)


def _fixed(value: Any) -> bool:
    """Whether a value can be part of a captured form: it cannot change, and holds no array."""
    if isinstance(value, tuple):
        return all(map(_fixed, value))
    return value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.device)


class _Form:
    """One captured form, for one kind of arguments."""

    def __init__(self, target: Any, backend: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.name, self.reason, self.code = "eager", "", ""
        self._run: Callable[..., Any] = target
        self._dynamic: list[str] | None = None
        arrays = [value for value in (*args, *kwargs.values()) if _is_tensor(value)]
        numpy = any(map(is_array, arrays))
        try:
            if numpy and not isinstance(target, nn.Module):
                raise EngineError("functions of dlengine.numpy arrays are captured by torch.compile only")
            self._capture(target, args, kwargs)
        except EngineError as error:
            self.reason = error.what
            if not (numpy and backend != "fx"):
                warnings.warn(f"runs as it is: {error.what}", CompileWarning, stacklevel=4)
        if backend == "inductor" or (backend == "auto" and self._promising(arrays)):
            self._generate(args, kwargs, measured=backend == "auto")

    def __call__(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if self._dynamic is None:
            return self._run(*args, **kwargs)
        given = self._signature.bind(*args, **kwargs)
        given.apply_defaults()
        values = [given.arguments[name] for name in self._dynamic]
        result = self._run(*unwrap(values))
        return wrap(result) if any(map(is_array, values)) else result

    def _capture(self, target: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        parameters = parameters_of(target)
        self._signature = inspect.Signature(list(parameters.values()))
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{getattr(target, '__qualname__', type(target).__name__)}: {error}") from None
        bound.apply_defaults()
        dynamic = [name for name, value in bound.arguments.items() if _is_tensor(value)]
        for name, value in bound.arguments.items():
            if name not in dynamic and not _fixed(value):
                raise EngineError(f"the argument '{name}' is a {type(value).__name__}")
        flow, root = capture(target, {name: v for name, v in bound.arguments.items() if name not in dynamic})
        module = fx.GraphModule(root, flow)
        simplify(module)
        self._run, self._dynamic, self.code = module, dynamic, module.code
        self.name, self.reason = "fx", "captured"

    def _promising(self, arrays: Sequence[Any]) -> bool:
        """Whether generated code may be faster: on a GPU, and on a CPU where much can be fused."""
        if any(tensor.is_cuda for tensor in unwrap(list(arrays))):
            return True
        large = sum(tensor.numel() for tensor in unwrap(list(arrays))) >= _LARGE
        if not isinstance(self._run, fx.GraphModule):
            return large and self._dynamic is None and not isinstance(self._run, nn.Module)
        calls = [node.op for node in self._run.graph.nodes]
        return (
            large and "call_module" not in calls and calls.count("call_function") + calls.count("call_method") >= _FEW
        )

    def _generate(self, args: Sequence[Any], kwargs: dict[str, Any], *, measured: bool) -> None:
        """Take what torch.compile makes of it, unless that fails, differs, or (if measured) is not faster."""
        before = self._run
        with _undisturbed(before):
            wanted = self(args, kwargs)
        try:
            self._run = torch.compile(before)
            with _undisturbed(before):
                found = self(args, kwargs)
        except Exception as error:  # the generator has many ways to fail, and the form before works
            self._run, self.reason = before, f"torch.compile failed: {str(error).splitlines()[0]}"
            return
        if not _close(wanted, found):
            self._run, self.reason = before, "the form that torch.compile made differs"
            return
        if not measured:
            self.name, self.reason = "inductor", "asked for"
            return
        after = self._run
        seconds: dict[Any, float] = {}
        for run in (before, after) * 5:
            self._run = run
            with _undisturbed(before):
                began = time.perf_counter()
                _wait(self(args, kwargs))
                seconds[run] = min(time.perf_counter() - began, seconds.get(run, float("inf")))
        ratio = seconds[before] / seconds[after]
        if ratio > 1 / _GAIN:
            self.name, self.reason = "inductor", f"{ratio:.2f} times as fast"
        else:
            self._run, self.reason = before, f"the form that torch.compile made is {ratio:.2f} times as fast"


class _undisturbed:
    """A block after which random numbers and a module's buffers are as before."""

    def __init__(self, run: Any) -> None:
        self._buffers = list(run.buffers()) if isinstance(run, nn.Module) else []

    def __enter__(self) -> None:
        self._saved = [buffer.clone() for buffer in self._buffers]
        self._fork = torch.random.fork_rng()
        self._fork.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)
        with torch.no_grad():
            for buffer, saved in zip(self._buffers, self._saved, strict=True):
                buffer.copy_(saved)


def _parts(value: Any) -> list[torch.Tensor]:
    """The tensors of a result."""
    values = unwrap(value)
    return [part for part in (values if isinstance(values, tuple | list) else [values]) if _is_tensor(part)]


def _close(first: Any, second: Any) -> bool:
    """Whether two results have the same shapes and types, and nearly the same numbers."""
    ones, twos = _parts(first), _parts(second)
    if [(one.shape, one.dtype) for one in ones] != [(two.shape, two.dtype) for two in twos]:
        return False
    pairs = zip(ones, twos, strict=True)
    return all(torch.allclose(one, two, rtol=RTOL, atol=ATOL, equal_nan=True) for one, two in pairs)


def _wait(value: Any) -> None:
    if any(part.is_cuda for part in _parts(value)):
        torch.cuda.synchronize()
