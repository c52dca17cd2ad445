"""Functions with a gradient of their own: `@primitive`, then `defvjp` and `defjvp`, as in HIPS autograd."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual

from dlengine.numpy import core
from dlengine.numpy.arguments import conjugated, differentiable, leaf_tensor
from dlengine.numpy.core import ndarray, wrap

Maker = Callable[..., Callable[[Any], Any]]


class primitive:
    """A function that is not looked into: its derivative is what `defvjp` and `defjvp` say.

        @np.primitive
        def softplus(x):
            return np.logaddexp(x, 0)

        np.defvjp(softplus, lambda ans, x: lambda g: g / (1 + np.exp(-x)))

    It returns one array. Inside, arrays carry no record, so that plain NumPy, SciPy or any other code may compute it.
    Derivatives written in dlengine.numpy can be differentiated again.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.vjps: dict[int, Maker] = {}
        self.jvps: dict[int, Callable[..., Any]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = [leaf_tensor(arg) if isinstance(arg, (ndarray, Tensor)) else None for arg in args]
        call = _Call(self, args, kwargs, [place for place, tensor in enumerate(tensors) if tensor is not None])
        return wrap(_Node.apply(call, *[tensor for tensor in tensors if tensor is not None]))

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @property
    def name(self) -> str:
        """How messages call it."""
        return getattr(self.function, "__name__", "function")


def defvjp(function: primitive, *makers: Maker | None, argnums: Sequence[int] | None = None) -> None:
    """Give a primitive's vector-Jacobian products, one for each positional argument (or for `argnums`).

    makers: `maker(ans, *args, **kwargs)` returns `g -> cotangent`, shaped as that argument; None means no influence.
    """
    _want_primitive("defvjp", function)
    for place, maker in zip(argnums or range(len(makers)), makers, strict=True):
        function.vjps[place] = maker or _no_influence


def defjvp(function: primitive, *jvps: Callable[..., Any] | None, argnums: Sequence[int] | None = None) -> None:
    """Give a primitive's derivatives in forward mode: `jvp(g, ans, *args, **kwargs)` for each positional argument."""
    _want_primitive("defjvp", function)
    for place, rule in zip(argnums or range(len(jvps)), jvps, strict=True):
        function.jvps[place] = rule or _no_change


def _want_primitive(what: str, function: Any) -> None:
    if not isinstance(function, primitive):
        raise TypeError(f"{what} of a {type(function).__name__}: write @primitive above the function")


def _no_influence(ans: Any, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    return lambda g: 0.0


def _no_change(g: Any, ans: Any, *args: Any, **kwargs: Any) -> Any:
    return 0.0


class _Call:
    """One call: which of its arguments are arrays, and everything else."""

    def __init__(self, of: primitive, args: Sequence[Any], kwargs: dict[str, Any], places: list[int]) -> None:
        self.of, self.args, self.kwargs, self.places = of, args, kwargs, places

    def filled(self, tensors: Sequence[Tensor]) -> list[Any]:
        args = list(self.args)
        for place, tensor in zip(self.places, tensors, strict=True):
            args[place] = wrap(tensor)
        return args

    def rule(self, rules: dict[int, Any], place: int, definer: str) -> Any:
        if place not in rules:
            raise NotImplementedError(
                f"{self.of.name}: no {definer} for argument {place}; give one: {definer}({self.of.name}, ...)"
            )
        return rules[place]


class _Node(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(call: _Call, *tensors: Tensor) -> Tensor:
        result = leaf_tensor(call.of.function(*call.filled(tensors), **call.kwargs))
        if result is None:
            raise TypeError(f"{call.of.name}: a primitive must return one array")
        return result.clone() if any(result is tensor for tensor in tensors) else result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.call = inputs[0]
        ctx.save_for_backward(output, *inputs[1:])
        ctx.save_for_forward(output, *inputs[1:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        output, *tensors = ctx.saved_tensors
        args, g = call.filled(tensors), wrap(conjugated(gradients[0]))
        found: list[Tensor | None] = [None]
        for index, (place, tensor) in enumerate(zip(call.places, tensors, strict=True), 1):
            if not ctx.needs_input_grad[index]:
                found.append(None)
                continue
            maker = call.rule(call.of.vjps, place, "defvjp")
            found.append(_shaped(call, maker(wrap(output), *args, **call.kwargs)(g), tensor, place))
        return tuple(found)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        call: _Call = ctx.call
        with _set_fwd_grad_enabled(True):  # torch switches it off here, and an outer jvp would see a constant
            output, *tensors = [unpack_dual(tensor, level=0).primal for tensor in ctx.saved_tensors]
            args, total = call.filled(tensors), torch.zeros_like(output)
            for place, tangent in zip(call.places, tangents[1:], strict=True):
                if tangent is not None:
                    rule = call.rule(call.of.jvps, place, "defjvp")
                    total = total + core.tensor_of(rule(wrap(tangent), wrap(output), *args, **call.kwargs))
        return total


def _shaped(call: _Call, cotangent: Any, like: Tensor, place: int) -> Tensor | None:
    """A vjp's result in torch's convention, checked: a wrong shape here is the usual mistake."""
    if not differentiable(like):
        return None
    tensor = leaf_tensor(cotangent)
    if tensor is None:
        raise TypeError(f"{call.of.name}: the vjp for argument {place} returned {type(cotangent).__name__}")
    if tensor.ndim and tensor.shape != like.shape:
        raise ValueError(
            f"{call.of.name}: the vjp for argument {place} returned shape {tuple(tensor.shape)} "
            f"for an argument of shape {tuple(like.shape)}"
        )
    return conjugated(tensor.to(like.dtype)).expand(like.shape)
