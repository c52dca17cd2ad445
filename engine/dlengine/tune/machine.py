"""What decides which settings pay, as a key: the machine, torch, and the structure of the model."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

import torch
from torch import nn


def key(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, *, record: bool = True) -> str:
    """A digest of the layers, shapes and types of the model, the optimizer, the batch, the device and the torch.

    Also of the autocast under which it is called, and of whether the model's call may be recorded.
    """
    layers = [f"{name} {type(module).__qualname__} {module.extra_repr()}" for name, module in model.named_modules()]
    tensors = [f"{name} {tuple(value.shape)} {value.dtype}" for name, value in model.named_parameters()]
    batch = f"{tuple(x.shape)} {x.dtype}"
    cast = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else None
    batch += f" {cast} {record}"
    parts = [*layers, *tensors, type(optimizer).__qualname__, batch, machine(x.device), torch.__version__]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def machine(device: torch.device) -> str:
    """The processor or the GPU that does the work, and the threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features")
    return " ".join(line.split(":", 1)[1] for line in dict.fromkeys(lines) if line.startswith(wanted))
