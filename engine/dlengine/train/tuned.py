"""The settings of `dlengine.tune` around a run: chosen once for all ranks, said in one line, undone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.train import rng, tensors
from dlengine.train.stream import Streamed
from dlengine.tune import PLAIN, Plan, allowed, applied, by_rule, choose, prepared
from dlengine.tune.allocator import keeping_memory

if TYPE_CHECKING:
    from dlengine.train.run import Run


@contextmanager
def tuned(run: Run) -> Iterator[None]:
    """A block in which the steps follow a plan: that of the run's checkpoint, so that resuming is exact, or a new one.

    `settings.tune`: "auto", or "off" for plain torch.
    """
    if run.settings.tune == "off":
        run.plan = PLAIN
    elif run.plan is None:
        run.plan = run.group.from_first(_choose(run) if run.group.rank == 0 else None)
    else:
        run.plan = allowed(run.plan, by_rule(run.setup.forward, run.optimizer, run.group.device))
    assert run.plan is not None
    if run.settings.budget is not None:
        run.plan = run.plan.without("padded")  # the forecast knows nothing of it
    model = run.setup.forward
    with keeping_memory(run.plan.allocator), applied(run.plan, run.model, run.optimizer):
        if run.plan.branches or run.plan.graph:
            run.setup.forward, run.plan = _recorded(run)
        if run.plan != PLAIN:
            run.report.say(f"tuned: {run.plan.describe()}")
        if run.plan.channels_last or run.setup.forward is not model:
            run.stepper.wrap()  # the buckets of gradients take the memory order that the weights have now
        if run.plan.compile:
            run.stepper.forward = torch.compile(run.stepper.forward)  # type: ignore[assignment]
        try:
            yield
        finally:
            run.setup.forward = model


@contextmanager
def within(run: Run) -> Iterator[None]:
    """A block in which the steps stay within `settings.budget` bytes of tensors, if there is a budget."""
    if run.settings.budget is None:
        yield
        return
    from dlengine.tune.budget import fit_into  # what it needs costs memory, which other runs can do without
    from dlengine.tune.recompute import recomputing

    x, y = _batch(run, _size(run))
    fitted = fit_into(
        run.settings.budget, run.setup.forward, (x, y), run.optimizer, loss=run.setup.loss, micro=run.stepper.micro
    )
    run.stepper.micro = fitted.micro
    run.report.say(fitted.describe())
    with recomputing(run.setup.forward, fitted.recompute):
        yield


def _size(run: Run) -> int:
    """How many samples a step of this rank sees: loaders bring their own number, and a data set may have fewer."""
    if run.feed.samples is not None:
        return min(run.settings.batch_size, -(-run.feed.samples // run.group.world))
    first = tensors.size(run.setup.sample[0])
    shared = isinstance(run.feed, Streamed) and not run.feed.stream.sharded
    return -(-first // run.group.world) if shared else first


def _batch(run: Run, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch that looks like those of the run. Raises EngineError where inputs or targets are no tensors."""
    x, y = run.setup.sample
    if not (isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)):
        raise EngineError("memory is given, and the batches are no pairs of tensors", "set micro_batch by hand")
    return _fill(x, size).to(run.group.device), _fill(y, size).to(run.group.device)


def _choose(run: Run) -> Plan:
    """The plan for the steps that are left, with the random numbers as they were; plain torch for odd batches."""
    x, y = run.setup.sample
    if not (isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)):
        return PLAIN
    x, y = _batch(run, run.stepper.micro or _size(run))
    left = run.settings.length.steps(run.feed.steps or 1) - run.position.step
    before = rng.capture(run.group.device)
    try:
        return choose(
            run.setup.forward,
            run.optimizer,
            run.setup.loss,
            x,
            y,
            steps=left,
            cast=run.stepper.precision.cast,
            record=_may_record(run),
        )
    finally:
        rng.restore(before, run.group.device)


def _may_record(run: Run) -> bool:
    """Whether the model's call may become another one: not among ranks, and not where its parts are computed again."""
    return run.group.world == 1 and run.settings.budget is None


def _recorded(run: Run) -> tuple[nn.Module, Plan]:
    """What the steps call, with branches together or as a CUDA graph, and the plan as far as that is possible."""
    assert run.plan is not None
    plan = run.plan.without("compile")
    made, possible = run.setup.forward, plan.without("branches", "graph")
    x = run.setup.sample[0]
    if _may_record(run) and isinstance(x, torch.Tensor):
        x = _fill(x, run.stepper.micro or _size(run)).to(run.group.device)
        made, possible = prepared(plan, run.setup.forward, x, run.stepper.precision.cast)
    return made, replace(possible, compile=run.plan.compile)


def _fill(samples: torch.Tensor, size: int) -> torch.Tensor:
    """A batch of `size` that repeats the samples: as good as another one for measuring time."""
    times = -(-size // len(samples))
    return samples.repeat(times, *[1] * (samples.dim() - 1))[:size]
