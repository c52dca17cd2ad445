"""The table of universal functions: NumPy's name, and the function of tensors that computes it.

To add one, add a line. The dtypes of inputs and outputs come from NumPy's ufunc of the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.compiler import is_compiling

from dlengine.numpy import fallback
from dlengine.numpy.core import to_host
from dlengine.numpy.native import NATIVE
from dlengine.numpy.ufunc import Binary, Product, Unary


def _fmax(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b.isnan(), a, torch.where(a.isnan(), b, torch.maximum(a, b)))  # torch.fmax gives ties to `a`


def _fmin(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b.isnan(), a, torch.where(a.isnan(), b, torch.minimum(a, b)))


def _level(x: Any) -> Any:
    """An operand of a function that is flat between its jumps: torch has no derivative for it, and zero is right."""
    return x.detach() if isinstance(x, Tensor) and x.dtype.is_floating_point else x


def _floor_divide(a: Any, b: Any) -> Tensor:
    return torch.floor_divide(_level(a), _level(b))


def _heaviside(a: Tensor, b: Tensor) -> Tensor:
    return torch.heaviside(_level(a), _level(b))


def _sign(x: Tensor) -> Tensor:
    return torch.where(x.isnan(), x, torch.sgn(x)) if x.dtype.is_floating_point else torch.sgn(x)


def _cbrt(x: Tensor) -> Tensor:
    return torch.sign(x) * torch.abs(x).pow(1 / 3)


def _modf(x: Tensor) -> tuple[Tensor, Tensor]:
    whole = torch.trunc(x)
    part = torch.where(torch.isinf(x), torch.zeros_like(x), x - whole)
    return torch.copysign(part, x), whole


def _spacing(x: Tensor) -> Tensor:
    away = torch.full_like(x, torch.inf)
    return torch.copysign(torch.nextafter(x.abs(), away) - x.abs(), x)


def _bits(x: Tensor) -> Tensor:
    x = x.abs()
    width = torch.iinfo(x.dtype).bits
    count = torch.zeros_like(x)
    for bit in range(width):
        count += (x >> bit) & 1
    return count


def _power(a: Any, b: Any) -> Tensor:
    if isinstance(b, Tensor) and not b.dtype.is_floating_point and not b.dtype.is_complex and bool((b < 0).any()):
        raise ValueError("Integers to negative integer powers are not allowed.")
    if isinstance(b, int) and b < 0 and not (a.dtype.is_floating_point or a.dtype.is_complex):
        raise ValueError("Integers to negative integer powers are not allowed.")
    return torch.pow(a, b)


def _divmod(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    return torch.floor_divide(a.detach(), b.detach()), _remainder(a, b)


def _remainder(a: Tensor, b: Any) -> Tensor:
    """A remainder of zero has the divisor's sign; torch gives it the dividend's, and so does this under a gradient."""
    rest = torch.remainder(a, b)
    if not rest.dtype.is_floating_point or is_compiling() or fallback.tracked(rest):
        return rest
    return torch.copysign(rest, b)


def _complex_by_numpy(name: str) -> Callable[[Tensor], Tensor]:
    """NumPy's values of complex numbers, which are the C standard's at infinities and NaN, on the CPU."""
    kernel = getattr(torch, name)

    def compute(x: Tensor) -> Tensor:
        if not x.is_complex() or not x.is_cpu or is_compiling() or fallback.tracked(x):
            return kernel(x)
        with numpy.errstate(all="ignore"):
            return torch.from_numpy(numpy.asarray(getattr(numpy, name)(to_host(x))))

    return compute


def _at_least(name: str, a: Tensor, b: Tensor, first: int, second: int) -> None:
    """Errors: ValueError in NumPy's words for too few axes, or for core axes that differ."""
    for index, (tensor, least) in enumerate(((a, first), (b, second))):
        if tensor.dim() < least:
            raise ValueError(
                f"{name}: Input operand {index} does not have enough dimensions (has {tensor.dim()}, needs {least}): "
                f"the shapes are {tuple(a.shape)} and {tuple(b.shape)}"
            )


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype is torch.bool:
        return _matmul(a.to(torch.uint8), b.to(torch.uint8)) != 0
    try:
        return torch.matmul(a, b)
    except RuntimeError:
        _at_least("matmul", a, b, 1, 1)
        if a.shape[-1] != b.shape[max(b.dim() - 2, 0)]:
            raise ValueError(
                f"matmul: Input operand 1 has a mismatch in its core dimension 0: "
                f"shapes {tuple(a.shape)} and {tuple(b.shape)}"
            ) from None
        raise


def _matvec(a: Tensor, b: Tensor) -> Tensor:
    _at_least("matvec", a, b, 2, 1)
    return _matmul(a, b.unsqueeze(-1)).squeeze(-1)


def _vecmat(a: Tensor, b: Tensor) -> Tensor:
    _at_least("vecmat", a, b, 1, 2)
    return _matmul(a.conj().unsqueeze(-2), b).squeeze(-2)


def _vecdot(a: Tensor, b: Tensor) -> Tensor:
    _at_least("vecdot", a, b, 1, 1)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"vecdot: mismatch in the core dimension: shapes {tuple(a.shape)} and {tuple(b.shape)}")
    return (a & b).any(-1) if a.dtype is torch.bool else (a.conj() * b).sum(-1, dtype=a.dtype)


def _frexp(x: Tensor) -> tuple[Tensor, Tensor]:
    mantissa, exponent = torch.frexp(x)
    return mantissa, exponent


UNARY: dict[str, Callable[..., Any]] = {
    "absolute": torch.abs,
    "arccos": _complex_by_numpy("arccos"),
    "arccosh": torch.acosh,
    "arcsin": torch.asin,
    "arcsinh": torch.asinh,
    "arctan": torch.atan,
    "arctanh": torch.atanh,
    "bitwise_count": _bits,
    "cbrt": _cbrt,
    "ceil": torch.ceil,
    "conjugate": torch.conj_physical,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "deg2rad": torch.deg2rad,
    "degrees": torch.rad2deg,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "fabs": torch.abs,
    "floor": torch.floor,
    "frexp": _frexp,
    "invert": torch.bitwise_not,
    "isfinite": torch.isfinite,
    "isinf": torch.isinf,
    "isnan": torch.isnan,
    "log": torch.log,
    "log10": torch.log10,
    "log1p": _complex_by_numpy("log1p"),
    "log2": torch.log2,
    "logical_not": torch.logical_not,
    "modf": _modf,
    "negative": torch.neg,
    "positive": torch.clone,
    "rad2deg": torch.rad2deg,
    "radians": torch.deg2rad,
    "reciprocal": torch.reciprocal,
    "rint": torch.round,
    "sign": _sign,
    "signbit": torch.signbit,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "spacing": _spacing,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
    "trunc": torch.trunc,
}

# These take a Python number as either operand, without a tensor that is made of it first.
NUMBERS: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "divide": torch.true_divide,
    "float_power": torch.pow,
    "multiply": torch.mul,
    "power": _power,
    "subtract": torch.sub,
}

# These take one as the second operand.
SECOND: dict[str, Callable[..., Any]] = {
    "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or,
    "bitwise_xor": torch.bitwise_xor,
    "equal": torch.eq,
    "floor_divide": _floor_divide,
    "fmod": torch.fmod,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "left_shift": torch.bitwise_left_shift,
    "less": torch.lt,
    "less_equal": torch.le,
    "not_equal": torch.ne,
    "remainder": _remainder,
    "right_shift": torch.bitwise_right_shift,
}

BINARY: dict[str, Callable[..., Any]] = {
    "arctan2": torch.atan2,
    "copysign": torch.copysign,
    "divmod": _divmod,
    "fmax": _fmax,
    "fmin": _fmin,
    "gcd": torch.gcd,
    "heaviside": _heaviside,
    "hypot": torch.hypot,
    "lcm": torch.lcm,
    "ldexp": torch.ldexp,
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "nextafter": torch.nextafter,
}

PRODUCTS: dict[str, Callable[..., Any]] = {
    "matmul": _matmul,
    "matvec": _matvec,
    "vecdot": _vecdot,
    "vecmat": _vecmat,
}

OTHER_NAMES = (
    "abs acos acosh asin asinh atan atan2 atanh bitwise_invert bitwise_left_shift bitwise_not bitwise_right_shift "
    "concat conj max min mod pow true_divide"
)


def _compose() -> None:
    for name, kernel in UNARY.items():
        NATIVE[name] = Unary(name, kernel)
    for name, kernel in BINARY.items():
        NATIVE[name] = Binary(name, kernel)
    for name, kernel in PRODUCTS.items():
        NATIVE[name] = Product(name, kernel)
    for name, kernel in SECOND.items():
        NATIVE[name] = Binary(name, kernel, frozenset({1}))
    for name, kernel in NUMBERS.items():
        NATIVE[name] = Binary(name, kernel, frozenset({0, 1}))
    for name in OTHER_NAMES.split():
        original = getattr(getattr(numpy, name), "__name__", "")
        if isinstance(getattr(numpy, name), numpy.ufunc):
            NATIVE[name] = NATIVE[original]


_compose()
