"""The table of distributions: the parameters, their defaults, and the formula from uniform and normal numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from dlengine.numpy.core import ndarray, tensor_of, wrap
from dlengine.numpy.fallback import from_numpy, to_numpy
from dlengine.numpy.table_shape import is_number


class Rule(NamedTuple):
    """The names of the parameters (with their defaults), those that must be positive, and the sample."""

    parameters: dict[str, Any]
    positive: str
    sample: Callable[..., Tensor]


def _exponential(g: Any, shape: Any) -> Tensor:
    return -torch.log(g._open(shape))


def _chi(g: Any, df: Tensor) -> Tensor:
    return 2 * g._gamma(df / 2)


def _poisson(g: Any, rate: Tensor) -> Tensor:
    return torch.poisson(rate.detach().contiguous(), g._torch).to(torch.int64)


def _binomial(g: Any, n: Tensor, p: Tensor) -> Tensor:
    return torch.binomial(n.detach().contiguous(), p.detach().to(n.dtype).contiguous(), g._torch).to(torch.int64)


def _triangular(g: Any, s: Any, left: Tensor, mode: Tensor, right: Tensor) -> Tensor:
    u = g._uniform(s)
    turn = (mode - left) / (right - left)
    rising = left + torch.sqrt(u * (right - left) * (mode - left))
    return torch.where(u < turn, rising, right - torch.sqrt((1 - u) * (right - left) * (right - mode)))


def _wald(g: Any, s: Any, mean: Tensor, scale: Tensor) -> Tensor:
    square = g._normal(s) ** 2
    ratio = mean * square / (2 * scale)
    x = mean * (1 + ratio - torch.sqrt(ratio * ratio + 2 * ratio))
    return torch.where(g._uniform(s) <= mean / (mean + x), x, mean * mean / x)


def _laplace(g: Any, s: Any, loc: Tensor, scale: Tensor) -> Tensor:
    u = g._open(s) - 0.5
    return loc - scale * torch.sign(u) * torch.log1p(-2 * u.abs().clamp(max=0.5 * (1 - 1e-12)))


DISTRIBUTIONS: dict[str, Rule] = {
    "beta": Rule(
        {"a": None, "b": None}, "a b", lambda g, s, a, b: (lambda x, y: x / (x + y))(g._gamma(a), g._gamma(b))
    ),
    "binomial": Rule({"n": None, "p": None}, "", lambda g, s, n, p: _binomial(g, n, p)),
    "chisquare": Rule({"df": None}, "df", lambda g, s, df: _chi(g, df)),
    "exponential": Rule({"scale": 1.0}, "", lambda g, s, scale: scale * _exponential(g, s)),
    "f": Rule({"dfnum": None, "dfden": None}, "dfnum dfden", lambda g, s, m, n: (_chi(g, m) / m) / (_chi(g, n) / n)),
    "gamma": Rule({"shape": None, "scale": 1.0}, "shape", lambda g, s, k, scale: scale * g._gamma(k)),
    "geometric": Rule(
        {"p": None}, "p", lambda g, s, p: torch.ceil(-_exponential(g, s) / torch.log1p(-p)).clamp(min=1).to(torch.int64)
    ),
    "gumbel": Rule(
        {"loc": 0.0, "scale": 1.0}, "", lambda g, s, loc, scale: loc - scale * torch.log(_exponential(g, s))
    ),
    "laplace": Rule({"loc": 0.0, "scale": 1.0}, "", _laplace),
    "logistic": Rule(
        {"loc": 0.0, "scale": 1.0}, "", lambda g, s, loc, scale: loc + scale * torch.logit(g._open(s), 1e-12)
    ),
    "lognormal": Rule(
        {"mean": 0.0, "sigma": 1.0}, "", lambda g, s, mean, sigma: torch.exp(mean + sigma * g._normal(s))
    ),
    "negative_binomial": Rule({"n": None, "p": None}, "n p", lambda g, s, n, p: _poisson(g, g._gamma(n) * (1 - p) / p)),
    "noncentral_chisquare": Rule(
        {"df": None, "nonc": None}, "df", lambda g, s, df, nonc: 2 * g._gamma(df / 2 + _poisson(g, nonc / 2))
    ),
    "noncentral_f": Rule(
        {"dfnum": None, "dfden": None, "nonc": None},
        "dfnum dfden",
        lambda g, s, m, n, nonc: 2 * g._gamma(m / 2 + _poisson(g, nonc / 2)) / m / (_chi(g, n) / n),
    ),
    "pareto": Rule({"a": None}, "a", lambda g, s, a: torch.expm1(_exponential(g, s) / a)),
    "poisson": Rule({"lam": 1.0}, "", lambda g, s, lam: _poisson(g, lam)),
    "power": Rule({"a": None}, "a", lambda g, s, a: torch.pow(-torch.expm1(-_exponential(g, s)), 1 / a)),
    "rayleigh": Rule({"scale": 1.0}, "", lambda g, s, scale: scale * torch.sqrt(2 * _exponential(g, s))),
    "standard_cauchy": Rule({}, "", lambda g, s: g._normal(s) / g._normal(s)),
    "standard_t": Rule({"df": None}, "df", lambda g, s, df: g._normal(s) / torch.sqrt(_chi(g, df) / df)),
    "triangular": Rule({"left": None, "mode": None, "right": None}, "", _triangular),
    "wald": Rule({"mean": None, "scale": None}, "mean scale", _wald),
    "weibull": Rule({"a": None}, "a", lambda g, s, a: torch.pow(_exponential(g, s), 1 / a)),
}
# Rare distributions: NumPy draws them on the host, seeded by our generator.
BY_NUMPY = frozenset({"hypergeometric", "logseries", "multivariate_hypergeometric", "vonmises", "zipf"})


def bound(generator: Any, name: str, rule: Rule) -> Callable[..., ndarray]:
    """The method of a generator that draws from one distribution. Errors: ValueError for parameters out of range."""
    names = list(rule.parameters)

    def draw(*args: Any, size: Any = None, **kwargs: Any) -> ndarray:
        if len(args) > len(names):
            *given, size = args
        else:
            given = list(args)
        values = {**rule.parameters, **dict(zip(names, given, strict=False)), **kwargs}
        lacking = [n for n in names if values[n] is None]
        if lacking or len(values) > len(names):
            raise TypeError(
                f"{name}() takes {', '.join([*names, 'size'])}; "
                f"{'missing: ' + ', '.join(lacking) if lacking else 'too many'}"
            )
        shape, *tensors = generator._parameters(size, *values.values()) if names else (_shape(size),)
        for n, tensor in zip(names, tensors, strict=True):
            _check(n, tensor, n in rule.positive.split())
        return wrap(rule.sample(generator, shape, *tensors))

    draw.__name__ = name
    return draw


def _shape(size: Any) -> tuple[int, ...]:
    return () if size is None else (int(size),) if is_number(size) else tuple(size)


def _check(name: str, value: Tensor, positive: bool) -> None:
    if name == "p" and bool(((value < 0) | (value > 1)).any()):
        raise ValueError("p < 0, p > 1 or p contains NaNs")
    if name in ("scale", "sigma", "lam") and bool((value < 0).any()):
        raise ValueError(f"{name} < 0")
    if positive and bool((value <= 0).any()):
        raise ValueError(f"{name} <= 0")


def by_numpy(generator: Any, name: str) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        host = numpy.random.default_rng(int(generator.integers(0, 2**62)))
        found = getattr(host, name)(*map(to_numpy, args), **{k: to_numpy(v) for k, v in kwargs.items()})
        made = from_numpy(found, generator.device)
        return made if isinstance(made, ndarray) else wrap(tensor_of(made, generator.device))

    draw.__name__ = name
    return draw
