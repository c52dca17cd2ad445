"""The device on which new arrays are made: by context, by argument, or the CPU."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

import torch
from torch.compiler import is_compiling

_CPU = torch.device("cpu")
_current: ContextVar[torch.device] = ContextVar("dlengine_device", default=_CPU)
_shown = [_CPU]  # the same for torch.compile, which cannot watch a ContextVar, and compiles again when this changes


class device:
    """`with device("cuda"):` makes new arrays there; "cpu", "cuda", "cuda:1" or "mps".

    Raises ValueError for an unknown name. Where the machine has no such device, torch says so at the first array.
    """

    def __init__(self, name: str | torch.device) -> None:
        self.device = _named(name)
        self._tokens: list[Token[torch.device]] = []

    def __enter__(self) -> torch.device:
        self._tokens.append(_current.set(self.device))
        _shown[0] = self.device
        return self.device

    def __exit__(self, *error: Any) -> None:
        _current.reset(self._tokens.pop())
        _shown[0] = _current.get()


def pick(name: Any = None) -> torch.device:
    """The device named, or the one of the context."""
    if name is None:
        return _shown[0] if is_compiling() else _current.get()
    return name if isinstance(name, torch.device) else _named(name)


def _named(name: Any) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}: use 'cpu', 'cuda', 'cuda:1' or 'mps'") from None


def fitting(dtype: torch.dtype, where: torch.device) -> torch.dtype:
    """`dtype`, or its 32-bit form on MPS, which has no float64."""
    if where.type == "mps":
        return {torch.float64: torch.float32, torch.complex128: torch.complex64}.get(dtype, dtype)
    return dtype
