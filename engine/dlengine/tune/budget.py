"""A step that fits a given memory: by smaller micro-batches, by computing activations again, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlengine.errors import EngineError
from dlengine.tune.bytes import size
from dlengine.tune.forecast import Forecast, forecast
from dlengine.tune.recompute import Block, blocks


@dataclass(frozen=True)
class Fitted:
    """How a step meets its budget: samples at a time (None: all), parts that are computed again, and the forecast."""

    micro: int | None
    recompute: tuple[Block, ...]
    forecast: Forecast
    budget: int
    parts: int

    def describe(self) -> str:
        """The plan in one line."""
        ways = [f"{self.micro} samples at a time"] if self.micro else []
        if self.recompute:
            ways.append(f"{len(self.recompute)} of {self.parts} parts computed again in the backward pass")
        how = f": {', '.join(ways)}" if ways else ""
        return f"memory: a step takes {size(self.forecast.peak)} of {size(self.budget)}{how}"


def fit_into(
    budget: int,
    model: nn.Module,
    batch: tuple[torch.Tensor, torch.Tensor],
    optimizer: Any,
    *,
    loss: Callable[[Any, Any], torch.Tensor] | None = None,
    micro: int | None = None,
) -> Fitted:
    """The cheapest way to stay below `budget` bytes; micro: an upper bound on the samples at a time.

    Micro-batches cost nearly nothing and come first, down to 8 samples; with BatchNorm, whose statistics they change,
    parts are computed again first, which costs a third of a step at most. Raises EngineError, which names the least
    possible, when nothing suffices.
    """
    parts = blocks(model)

    def at(samples: int | None, again: list[Block]) -> Fitted:
        found = forecast(model, batch, optimizer, loss=loss, micro_batch=samples, recompute=again)
        return Fitted(samples, tuple(again), found, budget, len(parts))

    least: Fitted | None = None
    for samples, wanted in _attempts(model, len(batch[0]), micro, len(parts)):
        chosen = at(samples, []) if wanted == 0 else _greedily(at, samples, parts, budget)
        if chosen.forecast.peak <= budget:
            return chosen
        if least is None or chosen.forecast.peak < least.forecast.peak:
            least = chosen
    assert least is not None
    raise EngineError(
        f"a step does not fit {size(budget)}: the least possible is {size(least.forecast.peak)}, of which "
        f"{size(least.forecast.parameters + least.forecast.gradients + least.forecast.optimizer)} are parameters, "
        "gradients and the optimizer's state",
        f'give memory="{-(-least.forecast.peak // 2**20)}MiB" or more, or take a smaller model or a plainer optimizer',
    )


def _attempts(model: nn.Module, samples: int, micro: int | None, parts: int) -> Iterator[tuple[int | None, int]]:
    """Micro-batches, and whether parts are computed again, from the cheapest to the most frugal."""
    sizes = _sizes(samples, micro)
    keeps = [(each, 0) for each in sizes if each is None or each >= 8]
    again = (
        [(each, parts) for each in sizes] if parts else [(each, 0) for each in sizes if each is not None and each < 8]
    )
    normalised = any(isinstance(module, _BatchNorm) for module in model.modules())
    if normalised and parts:
        yield keeps[0]
        yield from again
    else:
        yield from keeps
        yield from again


def _sizes(samples: int, micro: int | None) -> list[int | None]:
    sizes: list[int | None] = [micro]
    now = micro or samples
    while now > 1:
        now = (now + 1) // 2
        sizes.append(now)
    return sizes


def _greedily(
    at: Callable[[int | None, list[Block]], Fitted],
    samples: int | None,
    parts: list[Block],
    budget: int,
) -> Fitted:
    """As few parts as meet the budget, those that spare most first; all of them when nothing less does."""
    whole = at(samples, parts)
    if whole.forecast.peak > budget:
        return whole
    alone = {part: at(samples, [part]).forecast.peak for part in parts} if len(parts) > 1 else {}
    order = sorted(parts, key=lambda part: alone.get(part, 0))
    low, high, best = 1, len(parts), whole
    while low < high:
        middle = (low + high) // 2
        found = at(samples, order[:middle])
        if found.forecast.peak <= budget:
            high, best = middle, found
        else:
            low = middle + 1
    return best
