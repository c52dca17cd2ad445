"""Which settings a run gets: by rule in a short run, by measurement in a long one, and from memory the next time."""

from __future__ import annotations

import os
import statistics
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from dlengine.tune import allocator, cache, lrn, machine, padding, rewrite
from dlengine.tune import graph as graphs
from dlengine.tune.apply import may_fuse
from dlengine.tune.branches import Parallel
from dlengine.tune.graph import Cast
from dlengine.tune.plan import PLAIN, Plan
from dlengine.tune.trial import BLOCK, Loss, Trial

# A run that is shorter than this goes by rule: measuring would cost more than it gains.
SHORT_STEPS = 300
SHORT_SECONDS = 20.0
# Measuring takes at most this part of a run, and at most so many seconds.
PART = 0.02
LONGEST = 15.0
FEWEST, MOST = 5, 9  # rounds
# What beats the rule must beat it by this much, and in so many of the rounds: others may use the machine meanwhile.
MARGIN, WINS = 0.97, 0.8
# Seconds of training. Compiling a large network takes two minutes; on CPUs it lost on every network that was measured.
COMPILE_PAYS_AFTER = 1800.0


def choose(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    steps: int,
    cast: Cast = nullcontext,
    record: bool = True,
) -> Plan:
    """The plan for `steps` training steps on batches like (x, y); model, optimizer and torch's random numbers stay.

    cast: the autocast of forward pass and loss. record: whether the model's call may be recorded, to run its branches
    together or as a CUDA graph.
    """
    rule = by_rule(model, optimizer, x.device)
    if steps < SHORT_STEPS:
        return rule
    with cast():
        key = machine.key(model, optimizer, x, record=record)
    remembered = cache.load(key)
    if remembered is not None:
        return allowed(remembered, rule)
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), allocator.keeping_memory(rule.allocator):
        try:
            measured = _by_measurement(model, optimizer, loss, x, y, rule=rule, steps=steps, cast=cast, record=record)
        except Exception:  # copying and running the user's classes may fail where training would not: memory, locks
            measured = None
    if measured is None:
        return rule
    cache.save(key, measured)
    return measured


def by_rule(model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> Plan:
    """What pays on nearly every network: known without running it."""
    inplace, pool_first = rewrite.find(model)
    return Plan(
        channels_last=_prefers_channels_last(model, device),
        inplace=inplace,
        pool_first=pool_first,
        padded=padding.find(model) if device.type == "cpu" else (),
        norms=lrn.find(model) if device.type == "cpu" else (),
        fused=may_fuse(optimizer) and not _sparse(model),
        allocator=device.type == "cpu" and allocator.available(),
    )


def _prefers_channels_last(model: nn.Module, device: torch.device) -> bool:
    """oneDNN's convolutions are faster so; on a GPU only tensor cores of half precision are."""
    return device.type == "cpu" and any(isinstance(module, nn.Conv2d) for module in model.modules())


def _sparse(model: nn.Module) -> bool:
    return any(getattr(module, "sparse", False) for module in model.modules())


def _by_measurement(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    rule: Plan,
    steps: int,
    cast: Cast,
    record: bool,
) -> Plan | None:
    """The fastest of the rule, its alternatives and plain torch; None where measuring would cost too much."""
    trial = Trial(model, optimizer, loss, x, y, cast)
    trial.seconds(rule, 1)
    step = trial.seconds(rule, 1)
    whole = step * steps
    if whole < SHORT_SECONDS:
        return None
    plans = [rule, *alternatives(rule, x.device, seconds=whole)]
    ways = recordings(model, x.device) if record else []
    runs = len(plans) + (1 + len(ways) if ways else 0)
    rounds = min(MOST, int(min(LONGEST, PART * whole) / (runs * (step + max(step, BLOCK)))) - 1)
    if rounds < FEWEST:
        return None
    best = _fastest(plans, trial.compare(plans, rounds, step))
    if not ways:
        return best
    plans = [best, *(replace(best, **{"threads": 0, **way}) for way in ways)]
    return _fastest(plans, trial.compare(plans, rounds, step))


def _fastest(plans: list[Plan], times: list[list[float]]) -> Plan:
    """The first one, unless another one beats it clearly; `times` of each plan, round by round."""
    best, part = plans[0], MARGIN
    for plan, own in zip(plans, times, strict=True):
        ratios = [mine / rule for mine, rule in zip(own, times[0], strict=True)]
        wins = sum(ratio < 1 for ratio in ratios) / len(ratios)
        if wins >= WINS and statistics.median(ratios) < part:
            best, part = plan, statistics.median(ratios)
    return best


def alternatives(rule: Plan, device: torch.device, *, seconds: float) -> list[Plan]:
    """What else may be the fastest, plain torch first."""
    plans = [replace(PLAIN, allocator=rule.allocator)]
    if rule.channels_last:
        plans.append(rule.without("channels_last"))
    if _may_use_fewer_threads(device):
        plans.append(replace(rule, threads=torch.get_num_threads() // 2))
    if device.type == "cuda" and seconds > COMPILE_PAYS_AFTER:
        plans.append(replace(rule, compile=True))
    return [plan for plan in plans if plan != rule]


def recordings(model: nn.Module, device: torch.device) -> list[dict[str, Any]]:
    """Settings under which the model's call is recorded: with branches together, and as CUDA graphs on a GPU.

    On a CPU branches share out torch's threads; a number of threads that somebody chose is left alone.
    """
    branches = Parallel.of(model) is not None
    if device.type == "cuda":
        graph = graphs.fits(model)
        ways = [{"graph": True}] if graph else []
        return [*ways, {"branches": True, "graph": graph}] if branches else ways
    if not branches or not _may_use_fewer_threads(device):
        return []
    threads = torch.get_num_threads()
    return [{"branches": True, "threads": threads // part} for part in (2, 4) if threads >= part]


def _may_use_fewer_threads(device: torch.device) -> bool:
    return (
        device.type == "cpu"
        and torch.get_num_threads() > 1
        and "OMP_NUM_THREADS" not in os.environ
        and _machine_is_quiet()
    )


def _machine_is_quiet() -> bool:
    """Whether fewer threads would be better for their own sake, and not because of others' work just now."""
    return os.getloadavg()[0] < 0.75 * (os.cpu_count() or 1) + 1


def allowed(remembered: Plan, rule: Plan) -> Plan:
    """A plan of an earlier run, less what this model does not allow (a hook, an optimizer's own choice)."""
    return replace(
        remembered,
        inplace=tuple(name for name in remembered.inplace if name in rule.inplace),
        pool_first=tuple(pair for pair in remembered.pool_first if pair in rule.pool_first),
        padded=tuple(pair for pair in remembered.padded if pair in rule.padded),
        norms=tuple(name for name in remembered.norms if name in rule.norms),
        fused=remembered.fused and rule.fused,
        allocator=remembered.allocator and rule.allocator,
    )
