"""torch.compile is loaded where it is used, and not because an optimizer is made.

torch marks some methods of its optimizers as not to be compiled, and loads the whole compiler to do so: 1.5 seconds and
70 MiB. As long as nobody else has loaded it, there is nothing to tell it. DDP still loads it, and so do steps without a
fused kernel.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_COMPILER = "torch._dynamo"
_KNOWN = "__dynamo_disable"  # where torch remembers what the compiler made of a method


@contextmanager
def without_compiler() -> Iterator[None]:
    """A block in which torch's optimizers do not load the compiler; once it is there, they are torch's own again."""
    before = [] if _COMPILER in sys.modules else _marked()
    for function, method in before:
        setattr(function, _KNOWN, _stand_in(function, method))
    try:
        yield
    finally:
        for function, _ in before:
            _forget(function)


def _marked() -> list[tuple[Callable[..., Any], Callable[..., Any]]]:
    """The functions that torch will mark, with the methods that call them."""
    marks = getattr(torch, "_disable_dynamo", None)
    code = None if marks is None else getattr(marks(len), "__code__", None)
    if code is None:  # another version of torch, which goes another way
        return []
    methods = [each for each in vars(torch.optim.Optimizer).values() if getattr(each, "__code__", None) is code]
    pairs = [(vars(each).get("__wrapped__"), each) for each in methods]
    return [(inner, each) for inner, each in pairs if inner is not None and not hasattr(inner, _KNOWN)]


def _stand_in(function: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _COMPILER in sys.modules:  # somebody has loaded it since
            _forget(function)
            return method(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def _forget(function: Callable[..., Any]) -> None:
    known = vars(function).get(_KNOWN)
    if known is not None and getattr(known, "__wrapped__", None) is function:
        delattr(function, _KNOWN)
