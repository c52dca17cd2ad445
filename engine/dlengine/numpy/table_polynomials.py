"""NumPy's old polynomial functions: coefficients from the highest power down."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import fallback, linalg
from dlengine.numpy.core import ndarray, tensor_of, wrap
from dlengine.numpy.native import NATIVE, native, same_dtype
from dlengine.numpy.table_reductions import floating


def _horner(factors: list[float], at: Any) -> Any:
    total = numpy.full_like(at, factors[0])
    with numpy.errstate(all="ignore"):
        for factor in factors[1:]:
            total *= at
            total += factor
    return total


_NONE: Any = (None, None)


def polyval(p: Any, x: Any) -> Any:
    """The value of a polynomial at x, by Horner's rule."""
    factors, points = (p._tensor, x._tensor) if type(p) is type(x) is ndarray else _NONE
    if factors is not None and factors.dtype is points.dtype is not torch.bool and factors.dim() == 1 and len(factors):
        if fallback.small(factors, points):
            return wrap(torch.from_numpy(_horner(factors.tolist(), points.detach().numpy())))
        first, *rest = factors.unbind()
        total = first.expand(points.shape)
        for coefficient in rest:
            total = torch.addcmul(coefficient, total, points)
        return wrap(total if rest else total.clone())
    coefficients = wrap(tensor_of(p))
    at = wrap(tensor_of(x))
    value: Any = NATIVE["zeros_like"](at)
    for c in coefficients:  # type: ignore[attr-defined]
        value = value * at + c
    return value


NATIVE["polyval"] = polyval


def _aligned(a1: Tensor, a2: Tensor) -> tuple[Tensor, Tensor]:
    x, y = same_dtype(torch.atleast_1d(a1), torch.atleast_1d(a2))
    size = max(len(x), len(y))
    return torch.cat([x.new_zeros(size - len(x)), x]), torch.cat([y.new_zeros(size - len(y)), y])


@native
def polyadd(a1: Tensor, a2: Tensor) -> Tensor:
    x, y = _aligned(a1, a2)
    return x + y


@native
def polysub(a1: Tensor, a2: Tensor) -> Tensor:
    x, y = _aligned(a1, a2)
    return x - y


@native
def polymul(a1: Tensor, a2: Tensor) -> Tensor:
    first, second = (NATIVE["trim_zeros"](wrap(torch.atleast_1d(a)), "f") for a in (a1, a2))
    parts = [part if part.size else NATIVE["zeros"](1, part.dtype) for part in (first, second)]
    return NATIVE["convolve"](*parts)._tensor


@native
def polydiv(u: Tensor, v: Tensor) -> Any:
    x, y = same_dtype(floating(torch.atleast_1d(u)), floating(torch.atleast_1d(v)))
    steps = max(len(x) - len(y) + 1, 1)
    quotient, rest = [], x
    for place in range(len(x) - len(y) + 1):
        factor = rest[place] / y[0]
        quotient.append(factor)
        rest = rest - torch.cat([x.new_zeros(place), factor * y, x.new_zeros(len(x) - place - len(y))])
    found = torch.stack(quotient) if quotient else x.new_zeros(steps)
    while len(rest) > 1 and torch.isclose(rest[0], rest.new_zeros(()), rtol=1e-14, atol=1e-8):
        rest = rest[1:]
    return found, rest


@native
def polyder(p: Tensor, m: int = 1) -> Tensor:
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    for _ in range(m):
        p = p[:-1] * torch.arange(len(p) - 1, 0, -1, device=p.device).to(p.dtype)
    return p


@native
def polyint(p: Tensor, m: int = 1, k: Any = None) -> Tensor:
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    x = floating(p)
    constants = torch.zeros(m, device=x.device) if k is None else tensor_of(k).reshape(-1)
    if len(constants) == 1 and m > 1:
        constants = constants.expand(m)
    for step in range(m):
        x = torch.cat([x / torch.arange(len(x), 0, -1, device=x.device), constants[step : step + 1].to(x)])
    return x


@native
def poly(seq_of_zeros: Tensor) -> Tensor:
    x = torch.atleast_1d(floating(seq_of_zeros))
    zeros = torch.linalg.eigvals(x) if x.dim() == 2 else x
    result = torch.ones(1, dtype=zeros.dtype, device=x.device)
    for zero in zeros:
        result = torch.cat([result, result.new_zeros(1)]) - torch.cat([result.new_zeros(1), result * zero])
    if (
        result.is_complex()
        and bool(torch.isclose(result.imag, torch.zeros_like(result.imag)).all())
        and not x.is_complex()
    ):
        return result.real
    return result


@native
def roots(p: Tensor) -> Tensor:
    if p.dim() != 1:
        raise ValueError("Input must be a rank-1 array.")
    kept = p.nonzero().reshape(-1)
    if not len(kept):
        return floating(p)[:0]
    trailing = len(p) - int(kept[-1]) - 1
    x = floating(p[int(kept[0]) : int(kept[-1]) + 1])
    if len(x) < 2:
        return x.new_zeros(trailing)
    size = len(x) - 1
    companion = torch.diag(x.new_ones(size - 1), -1)
    companion = torch.cat([(-x[1:] / x[0]).unsqueeze(0), companion[1:]])
    found = linalg.eigvals(wrap(companion))._tensor
    return torch.cat([found, found.new_zeros(trailing)])


@native
def polyfit(
    x: Tensor, y: Tensor, deg: int, rcond: Any = None, full: bool = False, w: Tensor | None = None, cov: Any = False
) -> Any:
    at, values = same_dtype(floating(x), floating(y))
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if at.dim() != 1 or at.numel() == 0:
        raise TypeError("expected 1D vector for x" if at.dim() != 1 else "expected non-empty vector for x")
    if at.shape[0] != values.shape[0]:
        raise TypeError("expected x and y to have same length")
    if full or cov:
        from dlengine.numpy import fallback

        return fallback.on_host("polyfit", (wrap(x), wrap(y), deg, rcond, full, w, cov), {})
    powers = at.unsqueeze(1) ** torch.arange(deg, -1, -1, device=at.device)
    if w is not None:
        powers, values = powers * w.unsqueeze(1), values * (w if values.dim() == 1 else w.unsqueeze(1))
    scale = torch.sqrt((powers * powers).sum(0))
    q, r = torch.linalg.qr(powers / scale)
    right = q.mT @ (values if values.dim() == 2 else values.unsqueeze(1))
    found = torch.linalg.solve_triangular(r, right, upper=True) / scale.unsqueeze(1)
    return found if values.dim() == 2 else found.squeeze(1)
