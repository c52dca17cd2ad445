"""Everything that a run is made of, before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.parallel import Place
from dlengine.train import duration, losses, optimizer, schedule, tensors
from dlengine.train.feed import Feed, Indexed
from dlengine.train.losses import Loss
from dlengine.train.meter import layout
from dlengine.train.metrics import Accuracy, Metric, build
from dlengine.train.mode import evaluating
from dlengine.train.probe import Probe, forward, probe
from dlengine.train.settings import Settings
from dlengine.train.sources import Source, as_source, with_test
from dlengine.train.stream import Stream, Streamed

if TYPE_CHECKING:
    from dlengine.train.callback import Callback


@dataclass
class Setup:
    """What `fit` was given, checked and ready. A callback's `on_setup` may change any of it.

    model: what is trained and saved. forward: what the steps call instead, with the same parameters: the model itself
    until something puts a compiled or rewritten one there. optimizer: over the model's parameters, with the peak rates.
    sizes: of the metrics' sums. sample: a few inputs and targets. device: of this rank. place: rank and world.
    """

    model: nn.Module
    forward: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    feed: Feed
    test: Source | None
    metrics: Sequence[Metric]
    sizes: list[list[int]]
    factor: schedule.Schedule
    settings: Settings
    sample: tuple[Any, Any]
    probe: Probe
    device: torch.device
    place: Place
    callbacks: list[Callback]


def assemble(
    model: Any,
    train: Any,
    test: Any,
    settings: Settings,
    callbacks: Sequence[Callback],
    place: Place,
    device: torch.device,
) -> Setup:
    """Check everything that can be checked before training. Raises EngineError for what does not fit together."""
    if not isinstance(callbacks, Sequence) or not all(map(_is_callback, callbacks)):
        raise EngineError(
            f"callbacks={callbacks!r}", "give a list of objects of classes derived from dlengine.Callback"
        )
    measures = None if settings.metrics is None else build(settings.metrics)
    batch = settings.batch_size * place.world
    source, held_out = with_test(as_source(train, "the training data", batch), test, batch, settings.seed)
    feed = _feed(source, settings, place, device)
    factor = _factor(feed, settings)
    sample = feed.peek()
    module = _module(model, sample[0], settings.seed).to(device)
    loss = losses.build(settings.loss, module)
    made = optimizer.build(
        settings.optimizer,
        module,
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        decay=settings.decay,
    )
    seen = probe(module, *sample, loss, device)
    _check_labels(feed, loss, seen)
    _check_test(held_out, module, loss, seen, device)
    soft = losses.probabilities(loss, seen.output, seen.target)
    if measures is None:
        measures = [Accuracy()] if seen.classes or soft else []
    for measure in measures:
        measure.soft = soft
    return Setup(
        model=module,
        forward=module,
        optimizer=made,
        loss=loss,
        feed=feed,
        test=held_out,
        metrics=measures,
        sizes=layout(measures, seen.output, seen.target),
        factor=factor,
        settings=settings,
        sample=sample,
        probe=seen,
        device=device,
        place=place,
        callbacks=list(callbacks),
    )


def _is_callback(given: Any) -> bool:
    return hasattr(given, "on_setup") and not isinstance(given, type)


def _feed(source: Source, settings: Settings, place: Place, device: torch.device) -> Feed:
    """The source as batches, where the length of the run allows it."""
    if not isinstance(source, Stream):
        if place.world > len(source):
            raise EngineError(f"{place.world} ranks for {len(source)} samples", "start fewer processes")
        return Indexed(source, settings.batch_size, settings.seed, place, device)
    if source.once and settings.length.unit == "ep" and settings.length.count > 1:
        raise EngineError(
            f"an iterator can be read once, and epochs={settings.epochs!r} would read it {settings.length.count} times",
            'give a function that makes a new one for each epoch, or epochs=1, or a number of steps such as "500ba"',
        )
    return Streamed(source, settings.seed, place)


def _factor(feed: Feed, settings: Settings) -> schedule.Schedule:
    """The schedule, with its warm-up as a part of the run."""
    length, warmup = settings.length, settings.warmup
    unknown = length.unit == "ep" and feed.steps is None
    constant = settings.schedule == "constant" and not warmup
    if unknown and not constant:
        raise EngineError(
            "a schedule needs to know how far the run is, and the iterator does not tell its length",
            'give epochs as a number of steps ("500ba"), or wrap the data: dlengine.Stream(data, length=BATCHES)',
        )
    if isinstance(warmup, str):
        rise = duration.parse(warmup, "warmup")
        if "ep" in (rise.unit, length.unit) and rise.unit != length.unit and feed.steps is None:
            raise EngineError(f"warmup={warmup!r} of an iterator of unknown length", "give both in steps, as '50ba'")
        per_epoch = feed.steps or 1
        warmup = rise.steps(per_epoch) / length.steps(per_epoch)
        if warmup >= 1:
            raise EngineError(f"warmup={settings.warmup!r} of epochs={settings.epochs!r}", "the run must be longer")
    return schedule.build(settings.schedule, warmup)


def _module(model: Any, x: Any, seed: int) -> nn.Module:
    """A torch module as it is, and a symbol bound to the shape of the data."""
    if isinstance(model, nn.Module):
        return model
    from dlengine.symbol import Symbol, bind

    if isinstance(model, Symbol):
        return bind(model, tuple(x.shape), seed=seed)
    raise EngineError(f"the model is a {type(model).__name__}", "give a torch module or a dlengine symbol")


def _check_labels(feed: Feed, loss: Loss, seen: Probe) -> None:
    """All labels at once where they lie in memory, else those of each batch when it comes."""
    numbers = getattr(getattr(feed, "data", None), "y", None)
    if isinstance(numbers, torch.Tensor) and numbers.is_floating_point():
        losses.check_numbers(numbers, loss)
    if not seen.classes or not losses.wants_classes(loss):
        return
    labels = _labels(getattr(feed, "data", None))
    if labels is not None:
        losses.check_labels(labels, seen.classes, loss, range(len(labels)))
        return

    def check(y: torch.Tensor, indices: Any) -> None:
        if not y.is_floating_point():
            losses.check_labels(y, seen.classes, loss, indices)

    feed.check = check


def _check_test(test: Source | None, model: nn.Module, loss: Loss, seen: Probe, device: torch.device) -> None:
    """The test data goes through the model too; a stream is not read for that."""
    if test is None or isinstance(test, Stream):
        return
    try:
        x, y = (tensors.to(part, device) for part in test.batch(range(min(2, len(test)))))
        with torch.no_grad(), evaluating(model):
            losses.check(loss, forward(model, x), y)
        labels = _labels(test)
        if seen.classes and losses.wants_classes(loss) and labels is not None:
            losses.check_labels(labels, seen.classes, loss, range(len(labels)))
    except EngineError as error:
        raise EngineError(f"in the test data: {error.what}", error.hint) from None


def _labels(data: Any) -> torch.Tensor | None:
    """Class numbers that lie in memory."""
    labels = getattr(data, "y", None)
    return labels if isinstance(labels, torch.Tensor) and not labels.is_floating_point() else None
