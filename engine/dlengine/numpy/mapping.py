"""`vmap`, a function over one more axis, and `checkpoint`, a function whose inside is computed twice to save memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.utils.checkpoint
from torch import Tensor

from dlengine.numpy import tree
from dlengine.numpy.arguments import dressed, leaf_tensor
from dlengine.numpy.autodiff import in_transform
from dlengine.numpy.keeping import Checkpointed

Axes = Any  # an int, None, or a tuple, list or dict of them in the shape of the arguments


def vmap(
    function: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    randomness: Literal["different", "same", "error"] = "different",
) -> Callable[..., Any]:
    """The function, written for one example, for a whole batch of them at once.

    in_axes: the axis that is mapped: one for all positional arguments, or a tuple with one for each; None passes an
        argument whole. Keyword arguments are mapped over axis 0.
    out_axes: where the results carry that axis.
    randomness: whether the examples draw different random numbers.
    Inside, no branch may depend on a mapped value. Raises ValueError for axes that do not exist or differ in length.
    """

    @functools.wraps(function, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        given = (list(args), kwargs)
        axes = _axes(list(in_axes) if isinstance(in_axes, tuple) else in_axes, given[0]) + _axes(0, kwargs)
        leaves = tree.leaves(given)
        present = [(_mapped(leaf, axis), axis) for leaf, axis in zip(leaves, axes, strict=True) if axis is not None]
        _same_length(present)
        result: Any = None

        def traced(*rows: Tensor) -> tuple[Tensor, ...]:
            nonlocal result
            filled = iter(rows)
            inner = [
                leaf if axis is None else dressed(next(filled), leaf) for leaf, axis in zip(leaves, axes, strict=True)
            ]
            inner_args, inner_kwargs = tree.build(given, inner)
            result = function(*inner_args, **inner_kwargs)
            return tuple(_output(leaf) for leaf in tree.leaves(result))

        run = torch.func.vmap(traced, tuple(axis for _, axis in present), 0, randomness=randomness)
        outputs = run(*[tensor for tensor, _ in present])
        places = _axes(out_axes, result)
        if None in places:
            raise ValueError("vmap: out_axes must be numbers")
        moved = [tensor.movedim(0, place or 0) for tensor, place in zip(outputs, places, strict=True)]
        return tree.build(result, [dressed(each, leaf) for each, leaf in zip(moved, tree.leaves(result), strict=True)])

    return mapped


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; under a gradient its intermediate values are dropped and computed again on the way back.

    It must give the same values when it runs again; random numbers of torch's global generators are repeated for it.
    Inside `vmap`, `jvp` and the transformations in them it runs as it is and saves nothing.
    """

    @functools.wraps(function, updated=())
    def lean(*args: Any, **kwargs: Any) -> Any:
        if in_transform() or not torch.is_grad_enabled():
            return function(*args, **kwargs)
        runs = Checkpointed()
        return torch.utils.checkpoint.checkpoint(
            function, *args, use_reentrant=False, context_fn=lambda: (runs.first(), runs), **kwargs
        )

    return lean


def _axes(spec: Axes, given: Any) -> list[int | None]:
    """The mapped axis of each leaf, from a number that stands for a whole subtree."""
    if spec is None or isinstance(spec, int):
        return [spec] * len(tree.leaves(given))
    inside, specs = tree.contents(given), tree.contents(spec)
    if inside is None or specs is None or len(inside) != len(specs):
        raise ValueError(f"vmap: the axes {spec!r} do not have the shape of what they are for")
    return [axis for child, each in zip(inside, specs, strict=True) for axis in _axes(each, child)]


def _mapped(leaf: Any, axis: int) -> Tensor:
    tensor = leaf_tensor(leaf)
    if tensor is None:
        raise TypeError(f"vmap: an argument of type {type(leaf).__name__} has no axes; give it in_axes=None")
    if not -tensor.ndim <= axis < tensor.ndim:
        raise ValueError(f"vmap: axis {axis} of an array of shape {tuple(tensor.shape)}; in_axes=None passes it whole")
    return tensor


def _same_length(present: list[tuple[Tensor, int]]) -> None:
    lengths = [tensor.shape[axis] for tensor, axis in present]
    if not lengths:
        raise ValueError("vmap: in_axes maps no array")
    if len(set(lengths)) > 1:
        raise ValueError(f"vmap: the mapped axes differ in length: {', '.join(map(str, lengths))}")


def _output(leaf: Any) -> Tensor:
    tensor = leaf_tensor(leaf)
    if tensor is None:
        raise TypeError(f"vmap: the function returned {type(leaf).__name__}; it must return arrays")
    return tensor
