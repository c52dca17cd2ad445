"""Gradients of functions: each takes a function and returns one, and they nest in any order.

A complex gradient is du/dx - i du/dy, as in JAX and in HIPS autograd (torch has the conjugate): for a holomorphic
function it is f'(z), and a descent step subtracts its conjugate.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import core, tree
from dlengine.numpy.arguments import (
    NUMBER,
    Argnum,
    Arguments,
    conjugated,
    differentiable,
    dressed,
    dtype_name,
    leaf_tensor,
    name_of,
)
from dlengine.numpy.autodiff import Recorded, nested, record
from dlengine.numpy.core import ndarray
from dlengine.numpy.keeping import suspended

Function = Callable[..., Any]


def grad(
    function: Function,
    argnum: Argnum = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    keep_graph: bool = False,
) -> Function:
    """The gradient of a function that returns one real number.

    argnum: the argument's position or name, or a tuple of them (then the result is a tuple). An argument may be a tree
        of dicts, lists, tuples and dataclasses; the gradient has its shape.
    has_aux: the function returns (value, anything); the result is (gradient, anything).
    holomorphic: the function returns one complex number; the result is its complex derivative.
    keep_graph: results can be differentiated by torch with respect to tensors that the function closes over.
    Raises TypeError for an integer argument and for a value that is no real scalar.
    """
    both = value_and_grad(function, argnum, has_aux=has_aux, holomorphic=holomorphic, keep_graph=keep_graph)

    @functools.wraps(function, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def value_and_grad(
    function: Function,
    argnum: Argnum = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
    keep_graph: bool = False,
) -> Function:
    """As `grad`, but the result is (value, gradient), or ((value, anything), gradient) with has_aux."""

    @functools.wraps(function, updated=())
    def both(*args: Any, **kwargs: Any) -> Any:
        arguments = Arguments("grad", function, argnum, args, kwargs)
        run = _Run("grad", function, arguments, has_aux)
        recorded = record(run, arguments.tensors, keep_graph=keep_graph)
        value = _scalar(function, run, recorded, holomorphic)
        found = arguments.packed(map(conjugated, recorded.pull([torch.ones_like(value)])))
        return ((run.value(recorded), run.aux(recorded)) if has_aux else run.value(recorded)), found

    return both


def elementwise_grad(function: Function, argnum: Argnum = 0) -> Function:
    """The gradient of the sum of an array function: its derivative, element by element, if it works so."""

    @functools.wraps(function, updated=())
    def derivative(*args: Any, **kwargs: Any) -> Any:
        arguments = Arguments("elementwise_grad", function, argnum, args, kwargs)
        recorded = record(_Run("elementwise_grad", function, arguments), arguments.tensors)
        return arguments.packed(map(conjugated, recorded.pull([torch.ones_like(out) for out in recorded.outputs])))

    return derivative


def vjp(function: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """A function's value and its vector-Jacobian product: (value, pullback), with has_aux (value, pullback, anything).

    pullback: takes a cotangent shaped as the value and returns a tuple with one cotangent for each of `primals`; it may
        be called again and again.
    """
    arguments = Arguments("vjp", function, tuple(range(len(primals))), primals, {})
    run = _Run("vjp", function, arguments, has_aux)
    recorded = record(run, arguments.tensors, once=False)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = [conjugated(each) for each in _like("vjp", "cotangent", cotangent, recorded.outputs)]
        return tuple(arguments.packed(map(conjugated, recorded.pull(given))))

    value = run.value(recorded)
    return (value, pullback, run.aux(recorded)) if has_aux else (value, pullback)


def jvp(function: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """A function's value and its derivative along `tangents`, in forward mode: (value, tangent)."""
    arguments = Arguments("jvp", function, tuple(range(len(primals))), tuple(primals), {})
    along = _like("jvp", "tangent", tuple(tangents), arguments.tensors)
    run = _Run("jvp", function, arguments)

    if nested([*arguments.tensors, *along]):
        outputs, derivatives = _forward_by_reverse(run, arguments.tensors, along)
        return run.built(outputs), run.built(derivatives)

    def traced(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(run([tensor.clone() for tensor in tensors])[0])

    with suspended():
        outputs, derivatives = torch.func.jvp(traced, tuple(arguments.tensors), tuple(along))  # type: ignore[misc]
    return run.built(list(outputs)), run.built(list(derivatives))


def jacobian(function: Function, argnum: Argnum = 0) -> Function:
    """All partial derivatives of an array function: the value's axes, then the argument's, for each leaf of it."""

    @functools.wraps(function, updated=())
    def all_partials(*args: Any, **kwargs: Any) -> Any:
        arguments = Arguments("jacobian", function, argnum, args, kwargs)
        recorded = record(_Run("jacobian", function, arguments), arguments.tensors, once=False)
        if len(recorded.outputs) != 1:
            raise TypeError(f"jacobian: {name_of(function)} must return one array, not {len(recorded.outputs)}")
        value = recorded.outputs[0]
        units = torch.eye(math.prod(value.shape), dtype=value.dtype, device=value.device)
        rows = _rows(recorded, units.reshape(len(units), *value.shape), arguments.tensors)
        shaped = [row.reshape(*value.shape, *row.shape[1:]) for row in rows]
        return arguments.packed(map(conjugated, shaped))

    return all_partials


def hessian(function: Function, argnum: int | str = 0) -> Function:
    """The second derivatives of a function that returns one real number, with respect to one array."""
    return jacobian(grad(function, argnum), argnum)


def hvp(function: Function, argnum: int | str = 0) -> Function:
    """The Hessian times a vector, without the Hessian: `hvp(f)(*args, vector)`, the vector shaped as the argument."""

    @functools.wraps(function, updated=())
    def product(*args: Any, **kwargs: Any) -> Any:
        *args_of_function, vector = args
        arguments = Arguments("hvp", function, argnum, tuple(args_of_function), kwargs)
        along = _like("hvp", "vector", vector, arguments.tensors)
        recorded = record(_Run("hvp", grad(function, argnum), arguments), arguments.tensors)
        return arguments.packed(map(conjugated, recorded.pull([conjugated(each) for each in along])))

    return product


def stop_gradient(value: Any) -> Any:
    """The same arrays, also inside dicts, lists and so on, as constants: no gradient flows through them."""

    def constant(leaf: Any) -> Any:
        return dressed(leaf_tensor(leaf).detach(), leaf) if _is_array(leaf) else leaf  # type: ignore[union-attr]

    return tree.tree_map(constant, value)


class _Run:
    """A function of tensors made of the user's; it keeps the shape of the tree that came out last."""

    def __init__(self, what: str, function: Function, arguments: Arguments, has_aux: bool = False) -> None:
        self.what, self.function, self.arguments, self.has_aux = what, function, arguments, has_aux
        self.result: Any = None
        self.beside: Any = None

    def __call__(self, tensors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        args, kwargs = self.arguments.filled(tensors)
        result = self.function(*args, **kwargs)
        if self.has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise TypeError(f"{self.what}: with has_aux, {name_of(self.function)} must return (value, anything)")
            result, self.beside = result
        self.result = result
        return self._outputs(), [leaf._tensor if isinstance(leaf, ndarray) else leaf for leaf in self._arrays_beside()]

    def built(self, tensors: list[Tensor]) -> Any:
        """Tensors in the containers that the function returned."""
        leaves = tree.leaves(self.result)
        return tree.build(self.result, [dressed(tensor, leaf) for tensor, leaf in zip(tensors, leaves, strict=True)])

    def value(self, recorded: Recorded) -> Any:
        """The function's value, without the record."""
        return self.built(recorded.outputs)

    def aux(self, recorded: Recorded) -> Any:
        """What the function returned beside its value, without the record."""
        arrays = iter(recorded.extra)
        return tree.build(
            self.beside,
            [dressed(next(arrays), leaf) if _is_array(leaf) else leaf for leaf in tree.leaves(self.beside)],
        )

    def _arrays_beside(self) -> list[Any]:
        return [leaf for leaf in tree.leaves(self.beside) if _is_array(leaf)]

    def _outputs(self) -> list[Tensor]:
        outputs = []
        for leaf in tree.leaves(self.result):
            tensor = leaf_tensor(leaf)
            if tensor is not None and isinstance(leaf, NUMBER) and not differentiable(tensor):
                tensor = tensor.to(torch.get_default_dtype())  # a constant
            if tensor is None or not differentiable(tensor):
                found = f"type {type(leaf).__name__}" if tensor is None else f"dtype {dtype_name(tensor)}"
                raise TypeError(f"{self.what}: {name_of(self.function)} returned {found}; it must be real or complex")
            outputs.append(tensor)
        return outputs


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (ndarray, Tensor))


def _scalar(function: Function, run: _Run, recorded: Recorded, holomorphic: bool) -> Tensor:
    """The one number that a gradient needs."""
    name = name_of(function)
    if len(recorded.outputs) != 1 or not (_is_array(run.result) or leaf_tensor(run.result) is not None):
        raise TypeError(f"grad: {name} must return one number, not {type(run.result).__name__}")
    value = recorded.outputs[0]
    if value.ndim:
        raise TypeError(
            f"grad: {name} must return one number, but returned shape {tuple(value.shape)}: "
            "sum it, or use jacobian or elementwise_grad"
        )
    if value.is_complex() and not holomorphic:
        raise TypeError(f"grad: {name} returned a complex number: take its real part or abs, or say holomorphic=True")
    return value


def _forward_by_reverse(run: _Run, inputs: list[Tensor], along: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """A derivative along a direction, as the transpose of the way back.

    For a jvp that is differentiated again: torch's own is silently wrong then for determinants and linear systems.
    """
    outputs = run([tensor.clone() for tensor in inputs])[0]

    def back(cotangents: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return record(run, inputs).pull(cotangents), []

    return outputs, record(back, [torch.zeros_like(output) for output in outputs]).pull(along)


def _rows(recorded: Recorded, cotangents: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """One pull for each row of `cotangents`, stacked; all at once where every step of the way back can be."""
    if not len(cotangents):
        return [tensor.new_zeros((0, *tensor.shape)) for tensor in inputs]
    try:
        return recorded.pull([cotangents], batched=True)
    except (RuntimeError, NotImplementedError):  # a step that torch cannot batch, or a primitive's NumPy code
        one_by_one = [recorded.pull([row]) for row in cotangents]
        return [torch.stack(parts) for parts in zip(*one_by_one, strict=True)]


def _like(what: str, role: str, given: Any, wanted: list[Tensor]) -> list[Tensor]:
    """The leaves of a vector as tensors of the same shape and dtype as those that it goes with."""
    leaves = tree.leaves(given)
    if len(wanted) == 1 and isinstance(given, list):
        leaves = [core.tensor_of(given)]  # a list of numbers
    found = [leaf_tensor(leaf) for leaf in leaves]
    if len(found) != len(wanted):
        raise ValueError(f"{what}: the {role} has {len(found)} arrays, and {len(wanted)} are needed")
    result = []
    for tensor, like in zip(found, wanted, strict=True):
        if tensor is None or tensor.shape != like.shape:
            shape = None if tensor is None else tuple(tensor.shape)
            raise ValueError(f"{what}: the {role} has shape {shape}, and {tuple(like.shape)} is needed")
        result.append(tensor.to(dtype=like.dtype, device=like.device))
    return result
