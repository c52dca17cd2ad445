"""Parts of a network that forget their activations and compute them again in the backward pass (Chen 2016, 1604.06174).

A `Block` is a module that is called as a whole, or a run of neighbours in a Sequential. The gradients are the same
bit for bit: random numbers are drawn again as they were, and BatchNorm counts each batch once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


class Block(NamedTuple):
    """The module `name`; with `stop`, its children from `start` to before `stop`."""

    name: str
    start: int = 0
    stop: int = 0


def blocks(model: nn.Module) -> list[Block]:
    """What may be computed again: the parts of Sequentials and the modules of ModuleLists, as large as they come."""
    return list(_blocks("", model))


def _blocks(name: str, module: nn.Module) -> Iterator[Block]:
    prefix = f"{name}." if name else ""
    if isinstance(module, nn.Sequential):
        yield from _parts(name, module)
        return
    for child_name, child in module.named_children():
        if isinstance(module, nn.ModuleList) and list(child.children()):
            yield Block(prefix + child_name)
        else:
            yield from _blocks(prefix + child_name, child)


def _parts(name: str, sequence: nn.Sequential) -> Iterator[Block]:
    """Children with children of their own one by one, and the layers between them in runs of about a square root."""
    layers = [not list(child.children()) for child in sequence]
    length = max(2, round(math.sqrt(len(layers))))
    start = 0
    for place in range(len(layers) + 1):
        ends = place == len(layers) or not layers[place]
        if place > start and (ends or place - start == length):
            yield Block(name, start, place)
            start = place
        if place < len(layers) and not layers[place]:
            yield Block(name, place, place + 1)
            start = place + 1


@contextmanager
def recomputing(model: nn.Module, chosen: Sequence[Block]) -> Iterator[None]:
    """A block in which the chosen parts keep only what goes into them."""
    runs: dict[str, list[Block]] = {}
    with ExitStack() as undo:
        for block in chosen:
            if block.stop:
                runs.setdefault(block.name, []).append(block)
            else:
                module = model.get_submodule(block.name)
                _replace(undo, module, _again(module.forward, [module]))
        for name, parts in runs.items():
            sequence = model.get_submodule(name)
            assert isinstance(sequence, nn.Sequential)
            _replace(undo, sequence, _in_parts(sequence, parts))
        yield


def _replace(undo: ExitStack, module: Any, forward: Callable[..., Any]) -> None:
    before = vars(module).get("forward")
    module.forward = forward
    if before is None:
        undo.callback(vars(module).pop, "forward", None)
    else:
        undo.callback(setattr, module, "forward", before)


def _in_parts(sequence: nn.Sequential, parts: list[Block]) -> Callable[[Any], Any]:
    """The Sequential's forward, with the chosen runs computed again."""
    children = list(sequence)
    steps: list[Callable[[Any], Any]] = []
    place = 0
    for part in sorted(parts, key=lambda part: part.start):
        steps += children[place : part.start]
        run = children[part.start : part.stop]
        steps.append(_again(_chain(run), run))
        place = part.stop
    return _chain([*steps, *children[place:]])


def _chain(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def forward(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return x

    return forward


def _again(forward: Callable[..., Any], modules: Sequence[nn.Module]) -> Callable[..., Any]:
    norms = [each for module in modules for each in module.modules() if isinstance(each, _NormBase)]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _not_counting(norms)

    def call(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    return call


@contextmanager
def _not_counting(norms: list[_NormBase]) -> Iterator[None]:
    """Running statistics have seen this batch already: they are moved by nothing, and the count is put back."""
    counting = [norm for norm in norms if norm.training and norm.track_running_stats]
    before = [norm.momentum for norm in counting]
    for norm in counting:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(counting, before, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)
