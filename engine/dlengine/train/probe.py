"""What can be known before the first step: does the data fit the model, and which parameters take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dlengine.data import Batches, Dataset
from dlengine.errors import EngineError
from dlengine.train.meter import Loss
from dlengine.train.mode import evaluating


@dataclass(frozen=True)
class Probe:
    """`classes`: targets are class numbers, so accuracy makes sense. `unused`: parameters without a gradient."""

    classes: bool
    unused: list[str]


def as_data(data: Any, name: str) -> Batches:
    """A data set from a Dataset, a pair of arrays, or anything with `len` and `batch`."""
    if hasattr(data, "batch") and hasattr(data, "__len__"):
        if len(data) == 0:
            raise EngineError(f"{name} is empty", "check the file or the filter that it comes from")
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        return Dataset(*data)
    raise EngineError(f"{name} is a {type(data).__name__}", "give a dlengine.data.Dataset or a pair of arrays (x, y)")


def probe(model: nn.Module, data: Batches, loss: Loss, device: torch.device, *, cross_entropy: bool) -> Probe:
    """Run two samples through the model, forwards and backwards, without leaving a trace in it.

    Raises EngineError for a shape or type that some layer cannot take, for labels out of range, and for a loss that
    does not depend on the model.
    """
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    x, y = data.batch(range(min(2, len(data))))
    x, y = x.to(device), y.to(device)
    with evaluating(model), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        output = _forward(model, x)
        if cross_entropy:
            _check_targets(output, y, data)
        value = loss(output, y)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            shown = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            raise EngineError(f"the loss is no single number but {shown}", "return the mean over the batch")
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    unused = [name for name, gradient in zip(names, gradients, strict=True) if gradient is None]
    if len(unused) == len(names):
        raise EngineError("the loss depends on no parameter of the model", "is something detached in its forward?")
    classes = output.dim() == 2 and y.dim() == 1 and not y.is_floating_point() and output.shape[1] > 1
    return Probe(classes, unused)


def _forward(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The model's output; an exception inside becomes an error that names the layer it came from."""
    inside: list[tuple[str, nn.Module, Any]] = []
    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(_enter(inside, name)))
        handles.append(module.register_forward_hook(_leave(inside)))
    try:
        output = model(x)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise _layer_error(inside, error) from None
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, torch.Tensor):
        raise EngineError(f"the model returned a {type(output).__name__}", "return one tensor, the predictions")
    return output


def _enter(inside: list[tuple[str, nn.Module, Any]], name: str) -> Any:
    def hook(module: nn.Module, inputs: Any) -> None:
        inside.append((name, module, inputs))

    return hook


def _leave(inside: list[tuple[str, nn.Module, Any]]) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        inside.pop()

    return hook


def _layer_error(inside: list[tuple[str, nn.Module, Any]], error: Exception) -> EngineError:
    name, module, inputs = inside[-1]
    given = next((value for value in inputs if isinstance(value, torch.Tensor)), None)
    layer = f"layer '{name}' ({module})" if name and not list(module.children()) else f"{type(module).__name__}"
    if given is None:
        return EngineError(f"{layer} failed: {error}")
    shape = f"(N, {', '.join(map(str, given.shape[1:]))})" if given.dim() > 1 else "(N,)"
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor) and weight.is_floating_point() and weight.dtype != given.dtype:
        return EngineError(
            f"{layer} has {weight.dtype} weights and got {given.dtype} inputs",
            "convert the inputs, for example x.astype('float32') / 255 for bytes",
        )
    wanted = _wanted(module)
    if wanted:
        return EngineError(
            f"{layer} wants inputs of shape {wanted} and got {shape}",
            "fix the data, or the layer before it",
        )
    return EngineError(f"{layer} got inputs of shape {shape} and failed: {str(error).splitlines()[0]}")


def _wanted(module: nn.Module) -> str:
    """The input shape that a common layer takes."""
    if isinstance(module, nn.Linear):
        return f"(N, ..., {module.in_features})"
    for kind, rest in ((nn.Conv1d, "length"), (nn.Conv2d, "height, width"), (nn.Conv3d, "depth, height, width")):
        if isinstance(module, kind):
            return f"(N, {module.in_channels}, {rest})"
    return ""


def _check_targets(output: torch.Tensor, y: torch.Tensor, data: Batches) -> None:
    """Cross entropy wants logits (N, classes, ...) and class numbers (N, ...) below that."""
    if output.dim() < 2 or output.shape[:1] + output.shape[2:] != y.shape:
        raise EngineError(
            f"the model's output has shape {tuple(output.shape)} and the targets {tuple(y.shape)} for {len(y)} samples",
            "cross entropy wants (N, classes) and (N,); give loss=... for another task",
        )
    if y.is_floating_point():
        raise EngineError(
            f"the labels are {y.dtype}, and cross entropy wants class numbers",
            "use y.astype('int64'), or loss=torch.nn.functional.mse_loss for regression",
        )
    labels = getattr(data, "y", y)
    lowest, highest = int(labels.min()), int(labels.max())
    classes = output.shape[1]
    if lowest < 0 or highest >= classes:
        wrong = int(((labels < 0) | (labels >= classes)).nonzero()[0, 0])
        raise EngineError(
            f"label {int(labels[wrong].flatten()[0])} of sample {wrong} is out of range, with {classes} classes",
            f"labels must lie in 0..{classes - 1}; they span {lowest}..{highest}",
        )
