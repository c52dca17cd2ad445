"""numpy.random on tensors: Generator on any device, and the old functions on one shared generator.

The numbers are torch's, not NumPy's: the same seed gives other values than NumPy, and the same ones on every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import devices, errors
from dlengine.numpy.core import device_of, ndarray, tensor_of, to_host, wrap, writable
from dlengine.numpy.dtypes import TO_TORCH, NoTensor, default_float, torch_dtype
from dlengine.numpy.table_reductions import floating
from dlengine.numpy.table_shape import is_number


def _size(size: Any) -> tuple[int, ...] | None:
    if size is None:
        return None
    return (int(size),) if is_number(size) else tuple(int(n) for n in size)


class Generator:
    """Random numbers of many distributions, made on `device`; gradients flow to parameters where a formula has them."""

    def __init__(self, seed: Any = None, device: Any = None) -> None:
        self.device = devices.pick(device)
        self.seed_sequence = seed if isinstance(seed, numpy.random.SeedSequence) else numpy.random.SeedSequence(seed)
        self._torch = torch.Generator(device=self.device)
        self._torch.manual_seed(int(self.seed_sequence.generate_state(1, numpy.uint64)[0] >> 1))

    @property
    def bit_generator(self) -> torch.Generator:
        return self._torch

    def spawn(self, n_children: int) -> list[Generator]:
        """Independent generators, by NumPy's seed sequences."""
        return [Generator(s, self.device) for s in self.seed_sequence.spawn(n_children)]

    # Where all the others come from.
    def _uniform(self, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        kind = devices.fitting(dtype or default_float(), self.device)
        return torch.rand(shape, dtype=kind, device=self.device, generator=self._torch)

    def _open(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform, but never 0."""
        return 1 - self._uniform(shape)

    def _normal(self, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        kind = devices.fitting(dtype or default_float(), self.device)
        return torch.randn(shape, dtype=kind, device=self.device, generator=self._torch)

    def _gamma(self, shape: Tensor) -> Tensor:
        return torch._standard_gamma(shape.contiguous(), self._torch)

    def _parameters(self, size: Any, *values: Any) -> tuple[Any, ...]:
        """The parameters as floats on the device, broadcast with the size; the shape comes first."""
        tensors = [floating(tensor_of(v, device_of(values) or self.device)) for v in values]
        shape = errors.broadcast(*[tuple(t.shape) for t in tensors])
        asked = _size(size)
        if asked is not None:
            if errors.broadcast(shape, asked) != asked:
                raise ValueError(f"Output size {asked} is not compatible with broadcast dimensions of inputs {shape}.")
            shape = asked
        return shape, *(t.to(self.device).expand(shape) for t in tensors)

    def random(self, size: Any = None, dtype: Any = None, out: Any = None) -> ndarray:
        value = self._uniform(
            _size(size) or (() if out is None else out.shape), None if dtype is None else torch_dtype(dtype)
        )
        return _done(value, out)

    def standard_normal(self, size: Any = None, dtype: Any = None, out: Any = None) -> ndarray:
        value = self._normal(
            _size(size) or (() if out is None else out.shape), None if dtype is None else torch_dtype(dtype)
        )
        return _done(value, out)

    def standard_exponential(
        self, size: Any = None, dtype: Any = None, method: str = "zig", out: Any = None
    ) -> ndarray:
        value = -torch.log(self._open(_size(size) or (() if out is None else out.shape)))
        return _done(value if dtype is None else value.to(torch_dtype(dtype)), out)

    def standard_gamma(self, shape: Any, size: Any = None, dtype: Any = None, out: Any = None) -> ndarray:
        _, k = self._parameters(size, shape)
        return _done(self._gamma(_positive("shape", k, zero=True)), out)

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = numpy.int64, endpoint: bool = False
    ) -> ndarray:
        """Integers from low up to, not including (with endpoint: including), high."""
        first, last = (0, low) if high is None else (low, high)
        kind = torch_dtype(dtype)
        start, stop = (tensor_of(v, self.device).to(torch.int64) for v in (first, last))
        span = stop + (1 if endpoint else 0) - start
        if bool((span <= 0).any()):
            raise ValueError("low > high" if endpoint else "low >= high")
        shape = _size(size) or (() if size is not None else errors.broadcast(tuple(start.shape), tuple(stop.shape)))
        if span.numel() == 1:
            drawn = torch.randint(0, int(span), shape, device=self.device, generator=self._torch) + start
        else:
            drawn = start + torch.floor(self._uniform(shape, torch.float64) * span).to(torch.int64)
        return wrap(drawn.to(kind))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> ndarray:
        shape, a, b = self._parameters(size, low, high)
        return wrap(a + (b - a) * self._uniform(shape))

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> ndarray:
        shape, mean, spread = self._parameters(size, loc, scale)
        return wrap(mean + _positive("scale", spread, zero=True) * self._normal(shape))

    def bytes(self, length: int) -> bytes:
        return self.integers(0, 256, length, numpy.uint8)._tensor.cpu().numpy().tobytes()

    # Orders and choices.
    def permutation(self, x: Any, axis: int = 0) -> ndarray:
        tensor = torch.arange(x, device=self.device) if isinstance(x, int) else tensor_of(x)
        order = torch.randperm(tensor.shape[axis], device=self.device, generator=self._torch)
        return wrap(tensor.index_select(axis, order.to(tensor.device)))

    def shuffle(self, x: Any, axis: int = 0) -> None:
        if isinstance(x, list):
            x[:] = [x[i] for i in self.permutation(len(x))._tensor.tolist()]
            return
        if isinstance(x, numpy.ndarray) and x.dtype not in TO_TORCH:
            x[...] = x.take(to_host(self.permutation(x.shape[axis])), axis)
            return
        target = writable(tensor_of(x))
        if not target.dim():
            raise TypeError(f"shuffle changes a sequence in place, and a {type(x).__name__} of no dimension is none")
        target.copy_(self.permutation(wrap(target), axis)._tensor)

    def permuted(self, x: Any, axis: Any = None, out: Any = None) -> ndarray:
        tensor = tensor_of(x)
        if axis is None:
            return _done(self.permutation(wrap(tensor.reshape(-1)))._tensor.reshape(tensor.shape), out)
        order = torch.argsort(self._uniform(tuple(tensor.shape)), dim=axis)
        return _done(tensor.gather(axis, order), out)

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True
    ) -> Any:
        """A sample from an array or range(a), with the probabilities p."""
        try:
            pool = torch.arange(a, device=self.device) if isinstance(a, int) else tensor_of(a, self.device)
        except NoTensor:
            names = numpy.asarray(a)
            return names.take(to_host(self.choice(names.shape[axis], size, replace, p)), axis)
        count, shape = pool.shape[axis], _size(size)
        drawn = math.prod(shape) if shape is not None else 1
        if not count and drawn:
            raise ValueError("a cannot be empty unless no samples are taken")
        if not replace and drawn > count:
            raise ValueError("Cannot take a larger sample than population when replace is False")
        if p is not None:
            weights = floating(tensor_of(p, self.device)).detach()
            if tuple(weights.shape) != (count,):
                raise ValueError("a and p must have same size")
            if bool((weights < 0).any()) or abs(float(weights.sum()) - 1) > 1e-6:
                raise ValueError(
                    "Probabilities do not sum to 1"
                    if not bool((weights < 0).any())
                    else "Probabilities are not non-negative"
                )
            places = torch.multinomial(weights, drawn, replace, generator=self._torch)
        elif replace:
            places = torch.randint(0, count, (drawn,), device=self.device, generator=self._torch)
        else:
            places = torch.randperm(count, device=self.device, generator=self._torch)[:drawn]
        picked = pool.index_select(axis, places.to(pool.device))
        goal = (*pool.shape[:axis], *(shape or ()), *pool.shape[axis + 1 :])
        return wrap(picked.reshape(goal))

    # Several numbers at once.
    def multivariate_normal(self, mean: Any, cov: Any, size: Any = None, **options: Any) -> ndarray:
        centre, spread = (floating(tensor_of(v, self.device)) for v in (mean, cov))
        if spread.dim() != 2 or spread.shape[0] != spread.shape[1] or centre.shape[0] != spread.shape[0]:
            raise ValueError(
                f"mean and cov must have same length: the shapes are {tuple(centre.shape)} and {tuple(spread.shape)}"
            )
        values, vectors = torch.linalg.eigh(spread)
        root = vectors * torch.sqrt(values.clamp(min=0))
        return wrap(centre + self._normal((*(_size(size) or ()), len(centre))).to(root.dtype) @ root.mT)

    def dirichlet(self, alpha: Any, size: Any = None) -> ndarray:
        weights = floating(tensor_of(alpha, self.device))
        parts = self._gamma(_positive("alpha", weights).expand((*(_size(size) or ()), len(weights))))
        return wrap(parts / parts.sum(-1, keepdim=True))

    def multinomial(self, n: Any, pvals: Any, size: Any = None) -> ndarray:
        chances = floating(tensor_of(pvals, self.device)).detach()
        if float(chances[..., :-1].sum(-1).max()) > 1 + 1e-12:
            raise ValueError("sum(pvals[:-1]) > 1.0")
        shape = _size(size) or ()
        drawn = torch.multinomial(chances.expand((math.prod(shape), -1)), int(n), True, generator=self._torch)
        counts = torch.zeros(drawn.shape[0], chances.shape[-1], dtype=torch.int64, device=self.device)
        return wrap(counts.scatter_add(1, drawn, torch.ones_like(drawn)).reshape((*shape, chances.shape[-1])))

    def __getattr__(self, name: str) -> Any:
        from dlengine.numpy import table_random

        rule = table_random.DISTRIBUTIONS.get(name)
        if rule is not None:
            return table_random.bound(self, name, rule)
        if name in table_random.BY_NUMPY:
            return table_random.by_numpy(self, name)
        raise AttributeError(f"'Generator' object has no attribute '{name}'")


def _positive(name: str, value: Tensor, zero: bool = False) -> Tensor:
    if bool((value < 0).any()) or (not zero and bool((value == 0).any())):
        raise ValueError(f"{name} < 0" if zero else f"{name} <= 0")
    return value


def _done(value: Tensor, out: Any) -> ndarray:
    if out is None:
        return wrap(value)
    out._tensor.copy_(value)
    return out


def default_rng(seed: Any = None, device: Any = None) -> Generator:
    """A generator on the device of the context, or on `device`; without a seed it differs on every run."""
    return seed if isinstance(seed, Generator) else Generator(seed, device)


_shared: list[Generator] = []


def _global() -> Generator:
    if not _shared or _shared[0].device != devices.pick():
        _shared[:] = [Generator()]
    return _shared[0]


def seed(seed: Any = None) -> None:
    """Restart the shared generator of the functions below."""
    _shared[:] = [Generator(seed)]


def get_state(legacy: bool = True) -> Any:
    return _global()._torch.get_state()


def set_state(state: Any) -> None:
    _global()._torch.set_state(state)


def rand(*shape: int) -> ndarray:
    return _global().random(shape)


def randn(*shape: int) -> ndarray:
    return _global().standard_normal(shape)


def randint(low: Any, high: Any = None, size: Any = None, dtype: Any = int) -> ndarray:
    return _global().integers(low, high, size, dtype)


def random_integers(low: Any, high: Any = None, size: Any = None) -> ndarray:
    first, last = (1, low) if high is None else (low, high)
    return _global().integers(first, last, size, endpoint=True)


def random_sample(size: Any = None) -> ndarray:
    return _global().random(size)


random = ranf = sample = random_sample


def __getattr__(name: str) -> Callable[..., Any]:
    """The old functions: each is a method of the shared generator."""
    if name.startswith("_") or not hasattr(numpy.random, name):
        raise AttributeError(f"module 'dlengine.numpy.random' has no attribute '{name}'")
    if isinstance(getattr(numpy.random, name), type):
        return getattr(numpy.random, name)
    return getattr(_global(), name)
