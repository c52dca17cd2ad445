"""A numerical check of gradients: random directions, central differences of fourth order, any order of derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from dlengine.numpy import tree
from dlengine.numpy.arguments import Arguments, leaf_tensor, name_of
from dlengine.numpy.transforms import jvp, vjp

Mode = Literal["rev", "fwd"]
STEP = 1e-3  # relative to 1; the error of the differences is STEP**4, that of rounding 1e-16 / STEP


def check_grads(
    function: Callable[..., Any],
    modes: Sequence[Mode] = ("rev", "fwd"),
    order: int = 2,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    seed: int = 0,
) -> Callable[..., None]:
    """Compare a function's derivatives with finite differences, at the arguments that the result is called with.

    modes: "rev" checks vjp, "fwd" jvp. order: 2 also checks the derivatives of these, and so on.
    All positional arguments are varied; they should be of float64 or complex128.
    Raises AssertionError with both numbers.
    """
    unknown = set(modes) - {"rev", "fwd"}
    if unknown:
        raise ValueError(f"check_grads: unknown mode {unknown.pop()!r}; there are 'rev' and 'fwd'")

    def check(*args: Any, **kwargs: Any) -> None:
        def of_args(*values: Any) -> Any:
            return function(*values, **kwargs)

        _check(of_args, list(modes), order, args, (rtol, atol), torch.Generator().manual_seed(seed), name_of(function))

    return check


def _check(
    function: Callable[..., Any],
    modes: list[Mode],
    order: int,
    args: tuple[Any, ...],
    tolerance: tuple[float, float],
    random: torch.Generator,
    name: str,
) -> None:
    directions = _random_like(args, random)
    slope = _difference(function, args, directions)
    if "fwd" in modes:
        _, derivative = jvp(function, args, directions)
        weights = _random_like(derivative, random)
        _compare(f"{name}, forward mode", _dot(weights, derivative), _dot(weights, slope), tolerance)
    if "rev" in modes:
        value, pullback = vjp(function, *args)
        weights = _random_like(value, random)
        _compare(f"{name}, reverse mode", _dot(pullback(weights), directions), _dot(weights, slope), tolerance)
    if order < 2:
        return
    if "fwd" in modes:
        derivative_along = _forward_of(function, directions)
        _check(derivative_along, modes, order - 1, args, tolerance, random, f"forward derivative of {name}")
    if "rev" in modes:
        gradient = _reverse_of(function, weights)
        _check(gradient, modes, order - 1, args, tolerance, random, f"gradient of {name}")


def _forward_of(function: Callable[..., Any], directions: tuple[Any, ...]) -> Callable[..., Any]:
    return lambda *args: jvp(function, args, directions)[1]


def _reverse_of(function: Callable[..., Any], weights: Any) -> Callable[..., Any]:
    return lambda *args: vjp(function, *args)[1](weights)


def _difference(function: Callable[..., Any], args: tuple[Any, ...], directions: tuple[Any, ...]) -> Any:
    """The derivative along `directions`, from four values."""

    def at(step: float) -> list[Tensor]:
        moved = [_tensor(leaf) + step * _tensor(along) for leaf, along in _pairs(args, directions)]
        with torch.no_grad():
            result = function(*Arguments("check_grads", function, tuple(range(len(args))), args, {}).packed(moved))
        return [_tensor(leaf) for leaf in tree.leaves(result)]

    near, far = zip(at(STEP), at(-STEP), strict=True), zip(at(2 * STEP), at(-2 * STEP), strict=True)
    return [(8 * (up - down) - (up2 - down2)) / (12 * STEP) for (up, down), (up2, down2) in zip(near, far, strict=True)]


def _random_like(values: Any, random: torch.Generator) -> Any:
    """The same containers with random numbers, of either sign, real or complex as the leaves are."""

    def draw(leaf: Any) -> Tensor:
        tensor = _tensor(leaf)
        dtype = tensor.dtype if tensor.is_floating_point() or tensor.is_complex() else torch.float64
        return torch.randn(tensor.shape, generator=random, dtype=dtype)

    return tree.build(values, [draw(leaf) for leaf in tree.leaves(values)])


def _dot(left: Any, right: Any) -> float:
    """The real part of the sum of products, which is what a complex cotangent and a tangent have in common."""
    return float(sum((_tensor(a) * _tensor(b)).sum().real.item() for a, b in _pairs(left, right)))


def _compare(what: str, derived: float, numerical: float, tolerance: tuple[float, float]) -> None:
    rtol, atol = tolerance
    if not abs(derived - numerical) <= atol + rtol * abs(numerical):
        raise AssertionError(f"{what}: the derivative is {derived:.10g}, finite differences give {numerical:.10g}")


def _pairs(left: Any, right: Any) -> list[tuple[Any, Any]]:
    return list(zip(tree.leaves(left), tree.leaves(right), strict=True))


def _tensor(leaf: Any) -> Tensor:
    tensor = leaf_tensor(leaf)
    if tensor is None:
        raise TypeError(f"check_grads: {type(leaf).__name__} is no array")
    return tensor.detach()
