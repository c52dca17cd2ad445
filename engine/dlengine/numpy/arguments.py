"""Which arguments of a call are differentiated, as a list of tensors, and the way back to the user's containers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import core, tree
from dlengine.numpy.core import ndarray, wrap

Argnum = int | str | tuple[int | str, ...]
NUMBER = (bool, int, float, complex)


class Arguments:
    """One call's chosen arguments; `tensors` are their leaves, all of them real or complex."""

    def __init__(self, what: str, function: Callable[..., Any], argnum: Argnum, args: Any, kwargs: Any) -> None:
        self.single = not isinstance(argnum, tuple)
        chosen = argnum if isinstance(argnum, tuple) else (argnum,)
        self.keys = [_find(what, function, each, args, kwargs) for each in chosen]
        self.args, self.kwargs = args, kwargs
        self.trees = [args[key] if isinstance(key, int) else kwargs[key] for key in self.keys]
        self.leaves = tree.leaves(self.trees)
        found = [leaf_tensor(leaf) for leaf in self.leaves]
        self.tensors = [tensor for tensor in found if tensor is not None and differentiable(tensor)]
        if len(self.tensors) < len(found):
            raise _refused(what, self, found)

    def filled(self, tensors: Iterable[Tensor]) -> tuple[list[Any], dict[str, Any]]:
        """The call's arguments with `tensors` in place of the chosen leaves."""
        args, kwargs = list(self.args), dict(self.kwargs)
        for key, value in zip(self.keys, tree.build(self.trees, self._dressed(tensors)), strict=True):
            if isinstance(key, int):
                args[key] = value
            else:
                kwargs[key] = value
        return args, kwargs

    def packed(self, tensors: Iterable[Tensor]) -> Any:
        """Tensors as the caller's containers: one tree, or a tuple of them where argnum was a tuple."""
        trees = tree.build(self.trees, self._dressed(tensors))
        return trees[0] if self.single else tuple(trees)

    def _dressed(self, tensors: Iterable[Tensor]) -> list[Any]:
        return [dressed(tensor, leaf) for tensor, leaf in zip(tensors, self.leaves, strict=True)]


def leaf_tensor(leaf: Any) -> Tensor | None:
    """The tensor in an array of ours, of NumPy's, a torch tensor or a number; None for anything else."""
    if isinstance(leaf, ndarray):
        return leaf._tensor
    if isinstance(leaf, Tensor):
        return leaf
    if isinstance(leaf, NUMBER) or hasattr(leaf, "__array__"):
        return core.tensor_of(leaf)
    return None


def dressed(tensor: Tensor, like: Any = None) -> Any:
    """A torch tensor where the caller gave one, else an array."""
    return tensor if isinstance(like, Tensor) else wrap(tensor)


def differentiable(tensor: Tensor) -> bool:
    """Whether its elements are real or complex."""
    return tensor.is_floating_point() or tensor.is_complex()


def dtype_name(tensor: Tensor) -> str:
    """`int64`, as NumPy writes it."""
    return str(tensor.dtype).removeprefix("torch.")


def conjugated(tensor: Tensor) -> Tensor:
    """Between torch's complex gradient (du/dx + i du/dy) and ours (du/dx - i du/dy)."""
    return torch.conj_physical(tensor) if tensor.is_complex() else tensor


def name_of(function: Callable[..., Any]) -> str:
    """How messages call a function."""
    return getattr(function, "__name__", type(function).__name__)


def _find(what: str, function: Callable[..., Any], argnum: int | str, args: Any, kwargs: Any) -> int | str:
    """The position or keyword under which the call passed an argument."""
    if isinstance(argnum, str):
        if argnum in kwargs:
            return argnum
        names = _names(function)
        if argnum in names and names.index(argnum) < len(args):
            return names.index(argnum)
        raise TypeError(f"{what}: this call of {name_of(function)} has no argument {argnum!r}")
    if -len(args) <= argnum < len(args):
        return argnum % len(args)
    names = _names(function)
    if 0 <= argnum < len(names) and names[argnum] in kwargs:
        return names[argnum]
    given = len(args) + len(kwargs)
    raise TypeError(f"{what}: argnum {argnum}, but {name_of(function)} was called with {given} arguments")


def _names(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some builtins have no signature
        return []


def _refused(what: str, arguments: Arguments, found: list[Tensor | None]) -> TypeError:
    names = [f"argument {key!r}" if isinstance(key, str) else f"argument {key}" for key in arguments.keys]
    places = [name + path for name, each in zip(names, arguments.trees, strict=True) for path in tree.paths(each)]
    for place, leaf, tensor in zip(places, arguments.leaves, found, strict=True):
        if tensor is None:
            return TypeError(f"{what}: {place} is of type {type(leaf).__name__}; gradients are for arrays and numbers")
        if not differentiable(tensor):
            return TypeError(
                f"{what}: {place} is of dtype {dtype_name(tensor)}; gradients are for real and complex numbers: "
                "write 3.0 for 3, or .astype(float)"
            )
    raise AssertionError("nothing was refused")
