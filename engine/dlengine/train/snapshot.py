"""A run as a checkpoint: everything that decides how it goes on, saved and put back exactly."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from dlengine.errors import EngineError
from dlengine.train import checkpoint, rng, schedule
from dlengine.train.duration import Position
from dlengine.train.optimizer import describe
from dlengine.tune.plan import Plan

if TYPE_CHECKING:
    from dlengine.parallel import Group
    from dlengine.train.run import Run
    from dlengine.train.setup import Setup


def identity(setup: Setup) -> dict[str, Any]:
    """What must be equal between a checkpoint and the run that continues it, and between ranks.

    The length of the run is not among it, so that a run can be prolonged; nor is the number of ranks.
    """
    settings = setup.settings
    return {
        "model": {
            name: [list(value.shape), str(value.dtype).removeprefix("torch.")]
            for name, value in setup.model.state_dict().items()
        },
        "training samples": setup.feed.samples,
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "schedule": schedule.describe(settings.schedule),
        "warmup": settings.warmup,
        "precision": settings.precision,
        "clip_norm": settings.clip_norm,
        "clip_value": settings.clip_value,
        "metrics": [metric.name for metric in setup.metrics],
        **describe(setup.optimizer),
    }


def agree(own: dict[str, Any], group: Group) -> None:
    """Raise EngineError, on every rank, when the ranks were not started with the same model, data and settings."""
    everybody = group.gather(own)
    for rank, other in enumerate(everybody):
        for name in everybody[0]:
            if other.get(name) != everybody[0][name]:
                shown = "" if name == "model" else f": {everybody[0][name]!r} and {other.get(name)!r}"
                raise EngineError(
                    f"rank 0 and rank {rank} differ in {name}{shown}",
                    "every rank must run the same script with the same arguments and data",
                )


def save(run: Run) -> str:
    """Write the checkpoint of the current position; all ranks call it, rank 0 writes. Returns the path."""
    assert run.settings.directory is not None
    state = _state(run)
    if state is None:
        return ""
    return str(checkpoint.write(run.settings.directory, run.position.step, state, run.settings.keep))


def save_best(run: Run) -> None:
    """Write the checkpoint of the current position as the best one; all ranks call it, rank 0 writes."""
    assert run.settings.directory is not None
    state = _state(run)
    if state is not None:
        checkpoint.write_best(run.settings.directory, state)


def best_weights(run: Run, step: int) -> dict[str, Any] | None:
    """The model's state in the best checkpoint, if it is whole and of this step; all ranks call it."""
    assert run.settings.directory is not None
    data = b""
    if run.group.rank == 0:
        try:
            data = checkpoint.read(run.settings.directory / checkpoint.BEST)
        except checkpoint.Damaged as error:
            run.report.warn(str(error))
    data = run.group.bytes_from_first(data)
    state = checkpoint.decode(data) if data else None
    if state is None or state["position"]["step"] != step:
        return None
    model: dict[str, Any] = state["model"]
    return model


def _state(run: Run) -> dict[str, Any] | None:
    """The checkpoint of the current position, on rank 0."""
    ranks = run.group.gather(
        {"rng": rng.capture(run.group.device), "meter": run.meter.state(), "feed": run.feed.state()}
    )
    if run.group.rank != 0:
        return None
    return {
        "settings": run.identity,
        "position": asdict(run.position),
        "history": run.history,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "micro_batch": run.stepper.micro,
        "scale": run.stepper.precision.state(),
        "plan": None if run.plan is None else asdict(run.plan),
        "ranks": ranks,
    }


def resume(run: Run) -> str | None:
    """Continue from the newest usable checkpoint, as `options.resume` asks; its path, or None for a fresh start.

    Rank 0 reads the file and sends it to the others, whose machines need not have it.
    """
    if run.settings.directory is None:
        return None
    path, data, error = _find(run) if run.group.rank == 0 else (None, b"", None)
    path, error = run.group.from_first((path, error))
    if error is not None:
        raise EngineError(*error)
    if path is None:
        return None
    state = checkpoint.decode(run.group.bytes_from_first(data))
    _compare(path, state["settings"], run.identity)
    _restore(run, state)
    return str(path)


def _find(run: Run) -> tuple[str | None, bytes, tuple[str, str] | None]:
    """Path and bytes of the checkpoint to continue from, or the error that all ranks shall raise."""
    directory, mode = run.settings.directory, run.settings.resume
    assert directory is not None
    try:
        checkpoint.prepare(directory)
        if mode == "never" and checkpoint.files(directory):
            raise EngineError(
                f"{directory} holds checkpoints of an earlier run", 'choose another directory, or resume="auto"'
            )
        found = checkpoint.newest(directory, run.report.warn)
        if found is None and mode == "must":
            raise EngineError(f"no checkpoint in {directory} to resume from", 'use resume="auto" to start a new run')
    except EngineError as error:
        return None, b"", (error.what, error.hint)
    return (None, b"", None) if found is None else (str(found[0]), found[1], None)


def _compare(path: str, saved: dict[str, Any], own: dict[str, Any]) -> None:
    """Raise EngineError when the checkpoint comes from another model or other settings."""
    hint = "use the same settings, or another checkpoint directory"
    for name in sorted(saved["model"].keys() | own["model"].keys()):
        before, now = saved["model"].get(name), own["model"].get(name)
        if before != now:
            raise EngineError(
                f"{path} is of another model: '{name}' is {_tensor(before)} there and {_tensor(now)} here", hint
            )
    for name in own:
        if name != "model" and name in saved and saved[name] != own[name]:
            raise EngineError(f"{path} is of another run: {name} is {saved[name]!r} there and {own[name]!r} here", hint)


def _tensor(description: list[Any] | None) -> str:
    return "missing" if description is None else f"{tuple(description[0])} {description[1]}"


def _restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Everything but how the numbers are computed, which this run decides itself."""
    names = ("fused", "foreach")
    ways: list[dict[str, Any]] = [{n: group[n] for n in names if n in group} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, way in zip(optimizer.param_groups, ways, strict=True):
        group.update(way)


def _restore(run: Run, state: dict[str, Any]) -> None:
    run.model.load_state_dict(state["model"])
    _restore_optimizer(run.optimizer, state["optimizer"])
    run.plan = Plan.from_dict(state["plan"]) if state.get("plan") else None
    run.stepper.micro = min(filter(None, (state.get("micro_batch"), run.stepper.micro)), default=None)
    run.stepper.precision.load(state.get("scale", {}))
    run.position = Position(**state["position"])
    run.history = state["history"]
    ranks, group = state["ranks"], run.group
    if len(ranks) == group.world:
        run.meter.load(ranks[group.rank]["meter"])
        run.feed.load(ranks[group.rank].get("feed"))
        rng.restore(ranks[group.rank]["rng"], group.device)
        return
    # Another number of ranks: the order of the data goes on where it was, the random numbers cannot.
    if group.rank == 0:
        for rank in ranks:
            run.meter.load(rank["meter"])
    rng.seed(run.settings.seed, group.rank, run.position.step)
    run.report.say(f"the checkpoint is of {len(ranks)} ranks, this one has {group.world}: continued, not repeated")
