"""Out of memory: how it looks, and back to before it."""

from __future__ import annotations

import torch
from torch import nn

_SIGNS = ("DefaultCPUAllocator: can't allocate memory", "not enough memory: you tried to allocate")
_ONEDNN = "could not create a primitive"  # no room for its code; where it has no such code, this goes on: " descriptor"


def out_of_memory(error: Exception) -> bool:
    """Whether it means that the GPU's or the machine's memory is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return str(error) == _ONEDNN or any(sign in str(error) for sign in _SIGNS)


def release(device: torch.device) -> None:
    """Give back what is cached."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


class Rewind:
    """torch's random numbers and the model's buffers, such as running statistics, as they were at `mark`."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self._device = device
        self._buffers = list(model.buffers())
        self._before: list[torch.Tensor] = []

    def mark(self) -> None:
        """Note the state."""
        self._before = [buffer.clone() for buffer in self._buffers]
        self._random = torch.get_rng_state()
        if self._device.type == "cuda":
            self._random_cuda = torch.cuda.get_rng_state(self._device)

    def back(self) -> None:
        """Undo what happened since."""
        with torch.no_grad():
            for buffer, before in zip(self._buffers, self._before, strict=True):
                buffer.copy_(before)
        torch.set_rng_state(self._random)
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(self._random_cuda, self._device)
