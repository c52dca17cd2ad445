"""A model's metrics over a data set, and its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
from torch import nn

from dlengine.data import split
from dlengine.errors import EngineError, short_traceback, whole
from dlengine.parallel import Group, read_place
from dlengine.train import losses, tensors
from dlengine.train.losses import Loss
from dlengine.train.memory import out_of_memory, release
from dlengine.train.meter import Meter, layout
from dlengine.train.metrics import Accuracy, Metric, build
from dlengine.train.mode import evaluating
from dlengine.train.precision import Precision
from dlengine.train.probe import forward
from dlengine.train.sources import Source, as_source, inputs_of
from dlengine.train.stream import Stream

BATCH = 256


def evaluate(
    model: nn.Module,
    data: Source,
    loss: Loss,
    measures: Sequence[Metric],
    sizes: Sequence[Sequence[int]],
    group: Group,
    *,
    batch: int,
    precision: Precision | None = None,
) -> dict[str, float]:
    """`loss` and the metrics by name; each sample is seen by exactly one rank, in evaluation mode."""
    meter = Meter(measures, sizes, group.device)
    with torch.no_grad(), evaluating(model):
        for x, y in _share(data, group, batch):
            for output, begin, end in _outputs(model, x, group.device, precision):
                target = tensors.to(tensors.part(y, begin, end), group.device)
                with precision.cast() if precision else nullcontext():
                    value = loss(output, target)
                meter.add(value.double(), end - begin, output, target)
    row = meter.row(group)
    del row["samples"]
    return row


@short_traceback
def predict(model: nn.Module, data: Any, *, batch_size: int = BATCH) -> torch.Tensor:
    """The model's outputs, in evaluation mode and in the order of the data, on the CPU: (N, ...).

    data: inputs (an array or a tensor), or anything that `fit` takes, whose targets are ignored. Every process computes
    all of them, on the device on which the model is. Raises EngineError for inputs that some layer cannot take.
    """
    device = _check(model, batch_size)
    found: list[torch.Tensor] = []
    with torch.no_grad(), evaluating(model):
        for x in _inputs(data, batch_size):
            if not found:
                forward(model, tensors.to(tensors.part(x, 0, 2), device))  # names the layer that cannot take it
            found += [output.cpu() for output, _, _ in _outputs(model, x, device, None)]
    if not found:
        raise EngineError("there is nothing to predict: the data is empty", "check where it comes from")
    return torch.cat(found)


@short_traceback
def score(
    model: nn.Module, data: Any, metrics: Any = None, *, loss: Any = None, batch_size: int = BATCH
) -> dict[str, float]:
    """`loss` and the metrics of a model over a data set, by name, in evaluation mode.

    data, metrics, loss: as in `fit`; accuracy unless metrics are given, where targets are class numbers.
    Under torchrun each rank sees its share, and all get the result. Raises EngineError for what does not fit together.
    """
    device = _check(model, batch_size)
    source = as_source(data, "the data", batch_size)
    measure = losses.build(loss, model)
    x, y, source = _peek(source)
    with torch.no_grad(), evaluating(model):
        output = forward(model, tensors.to(x, device))
        y = tensors.to(y, device)
        losses.check(measure, output, y)
        soft = losses.probabilities(measure, output, y)
        classes = isinstance(output, torch.Tensor) and losses.wants_classes(measure) and not y.is_floating_point()
        chosen = build(metrics) if metrics is not None else [Accuracy()] if classes or soft else []
        for each in chosen:
            each.soft = soft
        sizes = layout(chosen, output, y)

    def checked(output: Any, target: Any) -> torch.Tensor:
        if classes and not target.is_floating_point():
            losses.check_labels(target, output.shape[1], measure)
        return measure(output, target)

    with Group.join(read_place(), device) as group:
        return evaluate(model, source, checked, chosen, sizes, group, batch=batch_size)


def _peek(source: Source) -> tuple[Any, Any, Source]:
    """A few samples, and a source that still has all of them."""
    if not isinstance(source, Stream):
        return *source.batch(range(min(2, len(source)))), source
    batches = source.batches()
    first = next(batches, None)
    if first is None:
        raise EngineError("the data is empty", "the iterator gave no batch")
    return *(tensors.part(each, 0, 2) for each in first), Stream(chain([first], batches), sharded=source.sharded)


def _share(data: Source, group: Group, batch: int) -> Iterator[tuple[Any, Any]]:
    """This rank's batches: a range of an indexed data set, or its part of each batch of a stream."""
    if not isinstance(data, Stream):
        first, last = split(len(data), group.world, group.rank)
        for begin in range(first, last, batch):
            yield data.batch(range(begin, min(begin + batch, last)))
        return
    for x, y in data.batches():
        first, last = (0, tensors.size(x)) if data.sharded else split(tensors.size(x), group.world, group.rank)
        if last > first:
            yield tensors.part(x, first, last), tensors.part(y, first, last)


def _outputs(
    model: nn.Module, x: Any, device: torch.device, precision: Precision | None
) -> Iterator[tuple[Any, int, int]]:
    """The model's outputs and their range, in as few parts as the memory takes."""
    count = size = tensors.size(x)
    begin = 0
    while begin < count:
        end = min(begin + size, count)
        part = tensors.to(x if end - begin == count else tensors.part(x, begin, end), device)
        try:
            with precision.cast() if precision else nullcontext():
                output = tensors.call(model, part)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or size == 1:
                raise
            size = (size + 1) // 2
        else:
            yield output, begin, end
            begin = end
            continue
        release(device)


def _inputs(data: Any, batch: int) -> Iterator[Any]:
    """Batches of inputs alone."""
    if hasattr(data, "__array__"):  # an array or a tensor
        data = tensors.convert(data, "inputs")
        for begin in range(0, len(data), batch):
            yield data[begin : begin + batch]
        return
    source = as_source(data, "the data", batch)
    if isinstance(source, Stream):
        yield from map(inputs_of, source.open(0))
        return
    for begin in range(0, len(source), batch):
        yield source.batch(range(begin, min(begin + batch, len(source))))[0]


def _check(model: nn.Module, batch_size: int) -> torch.device:
    """The model's device. Raises EngineError for what is no model, and for a batch without samples."""
    whole("batch_size", batch_size, least=1)
    if not isinstance(model, nn.Module):
        raise EngineError(f"the model is a {type(model).__name__}", "give a torch module; a symbol is bound first")
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
