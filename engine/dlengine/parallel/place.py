"""Where this process stands among its peers, as torchrun's environment tells it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlengine.errors import EngineError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Place:
    """Rank of `world` processes, and its number among those on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0


def read_place(environ: Mapping[str, str] = os.environ) -> Place:
    """RANK, WORLD_SIZE and LOCAL_RANK; without WORLD_SIZE the process is alone.

    Raises EngineError when they are incomplete or contradict each other.
    """
    if "WORLD_SIZE" not in environ:
        return Place()
    needed = ["RANK", "WORLD_SIZE"]
    if environ["WORLD_SIZE"] != "1":
        needed += ["MASTER_ADDR", "MASTER_PORT"]
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise EngineError(
            f"WORLD_SIZE is set, but not {' and '.join(missing)}",
            "start the script with torchrun, or unset WORLD_SIZE to run alone",
        )
    rank, world = _integer(environ, "RANK"), _integer(environ, "WORLD_SIZE")
    if not 0 <= rank < world:
        raise EngineError(f"RANK={rank} is outside 0..{world - 1} (WORLD_SIZE={world})", "start with torchrun")
    return Place(rank, world, _integer(environ, "LOCAL_RANK", default=rank))


def pick_device(device: str | torch.device, place: Place) -> torch.device:
    """The device of this process: "auto" takes GPU number `local_rank`, or the CPU where there is no GPU."""
    import torch

    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise EngineError(f"unknown device {device!r}", 'use "auto", "cpu", "cuda" or "cuda:N"') from None
    if chosen.type == "cpu":
        return chosen
    if chosen.type != "cuda":
        raise EngineError(f"device {device!r} is not supported", 'use "auto", "cpu", "cuda" or "cuda:N"')
    present = torch.cuda.device_count()
    number = place.local_rank if chosen.index is None else chosen.index
    if not present:
        raise EngineError("there is no GPU that torch can use on this machine", 'use device="auto" or device="cpu"')
    if number >= present:
        raise EngineError(
            f"GPU {number} does not exist on this machine; it has {present}",
            f'start at most {present} processes a machine, or use device="cpu"',
        )
    return torch.device("cuda", number)


def _integer(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise EngineError(f"{name}={text!r} is not a whole number", "start the script with torchrun") from None
