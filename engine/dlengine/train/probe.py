"""What can be known before the first step: does the data fit the model, and which parameters take part."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.train import losses, tensors
from dlengine.train.losses import Loss
from dlengine.train.mode import evaluating


@dataclass(frozen=True)
class Probe:
    """`classes`: how many there are where targets are class numbers, so that accuracy makes sense, else 0.

    `unused`: parameters without a gradient. `output`, `target`: of the few samples that were tried.
    """

    classes: int
    unused: list[str]
    output: Any
    target: Any


def probe(model: nn.Module, x: Any, y: Any, loss: Loss, device: torch.device) -> Probe:
    """Run two samples through the model, forwards and backwards, without leaving a trace in it.

    Raises EngineError for a shape or type that some layer cannot take, for targets that the loss cannot, and for a loss
    that does not depend on the model.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    x, y = tensors.to(tensors.part(x, 0, 2), device), tensors.to(tensors.part(y, 0, 2), device)
    with evaluating(model), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        output = forward(model, x)
        if losses.is_known(loss):
            _want_tensor(output)
            losses.check(loss, output, y)
            if losses.wants_classes(loss) and not y.is_floating_point():
                losses.check_labels(y, output.shape[1], loss, range(len(y)))
        value = _value(loss, output, y)
        gradients = torch.autograd.grad(value, [parameter for _, parameter in named], allow_unused=True)
    unused = [name for (name, _), gradient in zip(named, gradients, strict=True) if gradient is None]
    if len(unused) == len(named):
        raise EngineError("the loss depends on no parameter of the model", "is something detached in its forward?")
    return Probe(_classes(output, y), unused, tensors.each(torch.Tensor.detach, output), y)


def _value(loss: Loss, output: Any, y: Any) -> torch.Tensor:
    if not losses.is_known(loss):
        _want_two(loss)
    value = loss(output, y)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        shown = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise EngineError(f"the loss is no single number but {shown}", "return the mean over the batch")
    if not value.requires_grad:
        raise EngineError("the loss depends on no parameter of the model", "is something detached in it or in forward?")
    return value


def _want_two(loss: Loss) -> None:
    """Raise EngineError for a function that does not take output and target."""
    try:
        signature = inspect.signature(loss)
    except (TypeError, ValueError):  # some of torch's own do not tell
        return
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise EngineError(f"the loss cannot be called: {error}", "give a function (output, target) -> mean") from None


def _classes(output: Any, y: Any) -> int:
    if not isinstance(output, torch.Tensor) or not isinstance(y, torch.Tensor) or y.is_floating_point():
        return 0
    fits = output.dim() == y.dim() + 1 and output.shape[1] > 1 and output.shape[2:] == y.shape[1:]
    return int(output.shape[1]) if fits else 0


def _want_tensor(output: Any) -> None:
    if not isinstance(output, torch.Tensor):
        raise EngineError(
            f"the model returned a {type(output).__name__}", "return one tensor, the predictions, or give loss=FUNCTION"
        )


def forward(model: nn.Module, x: Any) -> Any:
    """The model's output; an exception inside becomes an error that names the layer it came from."""
    inside: list[tuple[str, nn.Module, Any]] = []
    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(_enter(inside, name)))
        handles.append(module.register_forward_hook(_leave(inside)))
    try:
        return tensors.call(model, x)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        if not inside:
            raise
        raise _layer_error(inside, error) from None
    finally:
        for handle in handles:
            handle.remove()


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
    if isinstance(module, nn.Embedding):
        return _embedding_error(layer, module, given, error)
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor) and weight.is_floating_point() and weight.dtype != given.dtype:
        return EngineError(
            f"{layer} has {weight.dtype} weights and got {given.dtype} inputs",
            "convert the inputs, for example x.astype('float32') / 255 for bytes"
            if weight.dtype == torch.float32
            else "convert the model: model.float()",
        )
    wanted = _wanted(module)
    if wanted:
        return EngineError(
            f"{layer} wants inputs of shape {wanted} and got {shape}",
            "fix the data, or the layer before it",
        )
    return EngineError(f"{layer} got inputs of shape {shape} and failed: {str(error).splitlines()[0]}")


def _embedding_error(layer: str, module: nn.Embedding, given: torch.Tensor, error: Exception) -> EngineError:
    if given.is_floating_point():
        return EngineError(f"{layer} got {given.dtype} inputs", "it wants whole numbers: x.astype('int64')")
    if not given.numel():
        return EngineError(f"{layer} failed: {error}")
    lowest, highest = (int(value) for value in given.aminmax())
    count = module.num_embeddings
    return EngineError(
        f"{layer} got numbers from {lowest} to {highest}", f"they must lie in 0..{count - 1}; enlarge the embedding"
    )


def _wanted(module: nn.Module) -> str:
    """The input shape that a common layer takes."""
    if isinstance(module, nn.Linear):
        return f"(N, ..., {module.in_features})"
    for kind, rest in ((nn.Conv1d, "length"), (nn.Conv2d, "height, width"), (nn.Conv3d, "depth, height, width")):
        if isinstance(module, kind):
            return f"(N, {module.in_channels}, {rest})"
    return ""
