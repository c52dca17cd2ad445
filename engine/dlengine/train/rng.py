"""The random numbers of one rank: seeded, saved and put back."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed(*key: int) -> None:
    """Seed Python, NumPy and torch from numbers such as (seed, rank)."""
    value = _value(key)
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def capture(device: torch.device) -> dict[str, Any]:
    """The state of all generators, in types that torch.load accepts with weights_only."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: dict[str, Any], device: torch.device) -> None:
    """Undo whatever happened since `capture`."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


class Timeline:
    """Random numbers of their own for a part of the program: inside the block they go on where the last block ended.

    What is drawn inside depends on `key` alone, and does not change what is drawn outside. Only generators of the CPU.
    """

    def __init__(self, *key: int) -> None:
        value = _value(key)
        self._python = random.Random(value).getstate()
        self._numpy: np.random.BitGenerator = np.random.MT19937(value)
        self._torch = torch.Generator().manual_seed(value).get_state()

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *error: object) -> None:
        self._swap()

    def _swap(self) -> None:
        python, numpy, state = random.getstate(), np.random.mtrand.get_bit_generator(), torch.get_rng_state()
        random.setstate(self._python)
        np.random.mtrand.set_bit_generator(self._numpy)
        torch.set_rng_state(self._torch)
        self._python, self._numpy, self._torch = python, numpy, state


def _value(key: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])
