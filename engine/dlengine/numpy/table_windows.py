"""Window functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import devices
from dlengine.numpy.core import ndarray, tensor_of, wrap
from dlengine.numpy.dtypes import default_float
from dlengine.numpy.native import NATIVE, register


def _place() -> dict[str, Any]:
    where = devices.pick()
    return {"dtype": devices.fitting(default_float(), where), "device": where}


def _window(name: str, formula: Callable[[Tensor, int], Tensor]) -> None:
    def call(M: int) -> ndarray:
        if M < 1:
            return wrap(torch.zeros(0, **_place()))
        if M == 1:
            return wrap(torch.ones(1, **_place()))
        return wrap(formula(torch.arange(1 - M, M, 2, **_place()), M))

    call.__name__ = name
    NATIVE[name] = call


_window("hanning", lambda n, M: 0.5 + 0.5 * torch.cos(math.pi * n / (M - 1)))


_window("hamming", lambda n, M: 0.54 + 0.46 * torch.cos(math.pi * n / (M - 1)))


_window(
    "blackman", lambda n, M: 0.42 + 0.5 * torch.cos(math.pi * n / (M - 1)) + 0.08 * torch.cos(2 * math.pi * n / (M - 1))
)


_window("bartlett", lambda n, M: torch.where(n <= 0, 1 + n / (M - 1), 1 - n / (M - 1)))


def kaiser(M: int, beta: Any) -> ndarray:
    if M == 1:
        return wrap(torch.ones(1, **_place()))
    n = torch.arange(M, **_place())
    alpha = (M - 1) / 2.0
    shape = tensor_of(beta).to(n.dtype)
    return wrap(torch.special.i0(shape * torch.sqrt(1 - ((n - alpha) / alpha) ** 2)) / torch.special.i0(shape))


register(kaiser)
