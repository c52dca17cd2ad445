"""numpy.fft on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import devices, errors
from dlengine.numpy.core import ndarray, wrap, write
from dlengine.numpy.dtypes import default_float, torch_dtype
from dlengine.numpy.native import local
from dlengine.numpy.table_reductions import floating

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def _ready(a: Tensor) -> Tensor:
    x = floating(a)
    return x.to(torch.float32) if x.dtype is torch.float16 else x


def _line(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """A transform along one axis."""

    def core(a: Tensor, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        if n is not None and n < 1:
            raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
        value = function(_ready(a), n, errors.normal_axis(axis, a.dim()), norm)
        return value if out is None else write(out, value)

    core.__name__ = function.__name__.replace("fft_", "")
    return local(core)


def _many(function: Callable[..., Tensor], default: Any = None) -> Callable[..., Any]:
    """A transform along several axes."""

    def core(a: Tensor, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        if s is None and out is None:
            return function(_ready(a), None, axes, norm)
        if axes is None and s is not None:
            axes = tuple(range(a.dim() - len(s), a.dim()))
        dims = None if axes is None else tuple(errors.normal_axis(i, a.dim()) for i in axes)
        if s is not None and dims is not None and len(s) != len(dims):
            raise ValueError("Shape and axes have different lengths.")
        value = function(_ready(a), None if s is None else tuple(s), dims, norm)
        return value if out is None else write(out, value)

    core.__name__ = function.__name__.replace("fft_", "")
    return local(core)


fft, ifft, rfft, irfft = _line(torch.fft.fft), _line(torch.fft.ifft), _line(torch.fft.rfft), _line(torch.fft.irfft)
hfft, ihfft = _line(torch.fft.hfft), _line(torch.fft.ihfft)
fftn, ifftn, rfftn, irfftn = (
    _many(torch.fft.fftn),
    _many(torch.fft.ifftn),
    _many(torch.fft.rfftn),
    _many(torch.fft.irfftn),
)
fft2, ifft2 = _many(torch.fft.fftn, (-2, -1)), _many(torch.fft.ifftn, (-2, -1))
rfft2, irfft2 = _many(torch.fft.rfftn, (-2, -1)), _many(torch.fft.irfftn, (-2, -1))


@local
def fftshift(x: Tensor, axes: Any = None) -> Tensor:
    return torch.fft.fftshift(x, errors.normal_axes(axes, x.dim()))


@local
def ifftshift(x: Tensor, axes: Any = None) -> Tensor:
    return torch.fft.ifftshift(x, errors.normal_axes(axes, x.dim()))


def _frequencies(function: Callable[..., Tensor], n: int, d: Any, dtype: Any, device: Any) -> ndarray:
    if not hasattr(n, "__index__"):
        raise ValueError("n should be an integer")
    kind = default_float() if dtype is None else torch_dtype(dtype)
    return wrap(function(n, float(d), dtype=kind, device=devices.pick(device)))


def fftfreq(n: int, d: Any = 1.0, dtype: Any = None, device: Any = None) -> ndarray:
    """The frequencies of the bins of fft."""
    return _frequencies(torch.fft.fftfreq, n, d, dtype, device)


def rfftfreq(n: int, d: Any = 1.0, dtype: Any = None, device: Any = None) -> ndarray:
    """The frequencies of the bins of rfft."""
    return _frequencies(torch.fft.rfftfreq, n, d, dtype, device)
