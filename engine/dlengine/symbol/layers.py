"""The layers of feed-forward networks, each a standard torch module once bound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.symbol.call import Call
from dlengine.symbol.node import Ref
from dlengine.symbol.parameters import Count, Fraction, Number, Pads, Positive, Sizes, Text, choose
from dlengine.symbol.registry import Shape, Step, operator

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softrelu": nn.Softplus,
    "softsign": nn.Softsign,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "leaky": nn.LeakyReLU,
    "log_sigmoid": nn.LogSigmoid,
    "mish": nn.Mish,
}
_CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORMS: dict[int, Any] = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLS: dict[str, dict[int, Any]] = {
    "max": {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d},
    "avg": {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d},
}
_GLOBAL: dict[str, dict[int, Any]] = {
    "max": {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d},
    "avg": {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d},
}


def _weight_and_bias(params: dict[str, Any]) -> tuple[str, ...]:
    return ("weight",) if params["no_bias"] else ("weight", "bias")


def _always(params: dict[str, Any]) -> tuple[str, ...]:
    return ("weight", "bias")


@operator("dense", weights=_weight_and_bias)
def FullyConnected(x: Shape, *, num_hidden: Count, no_bias: bool = False, flatten: bool = True) -> list[Step]:
    """A dense layer: (N, ...) -> (N, num_hidden); without `flatten`, (N, ..., inputs) -> (N, ..., num_hidden)."""
    if len(x) < 2:
        raise EngineError("the input has no axis beside the batch", "it wants (N, inputs)")
    if not flatten or len(x) == 2:
        return [nn.Linear(x[-1], num_hidden, bias=not no_bias)]
    return [Call(torch.flatten, (Ref(0), 1)), nn.Linear(math.prod(x[1:]), num_hidden, bias=not no_bias)]


@operator("convolution", weights=_weight_and_bias)
def Convolution(
    x: Shape,
    *,
    num_filter: Count,
    kernel: Sizes,
    stride: Sizes | None = None,
    pad: Pads | None = None,
    dilate: Sizes | None = None,
    num_group: Count = 1,
    no_bias: bool = False,
) -> Step:
    """A convolution over 1 to 3 axes: (N, channels, *space) -> (N, num_filter, *space)."""
    axes = _spatial(x, kernel)
    if x[1] % num_group or num_filter % num_group:
        raise EngineError(f"{x[1]} channels and {num_filter} filters cannot be split into {num_group} groups")
    return _CONVOLUTIONS[axes](
        x[1],
        num_filter,
        kernel,
        _each(stride, 1, axes),
        _each(pad, 0, axes),
        _each(dilate, 1, axes),
        num_group,
        not no_bias,
    )


@operator("convolution", weights=_weight_and_bias)
def Deconvolution(
    x: Shape,
    *,
    num_filter: Count,
    kernel: Sizes,
    stride: Sizes | None = None,
    pad: Pads | None = None,
    adj: Pads | None = None,
    num_group: Count = 1,
    no_bias: bool = True,
) -> Step:
    """A transposed convolution: (N, channels, *space) -> (N, num_filter, *larger space); `adj` enlarges the result."""
    axes = _spatial(x, kernel)
    return _TRANSPOSED[axes](
        x[1],
        num_filter,
        kernel,
        _each(stride, 1, axes),
        _each(pad, 0, axes),
        _each(adj, 0, axes),
        num_group,
        not no_bias,
    )


@operator("pooling")
def Pooling(
    x: Shape,
    *,
    kernel: Sizes = (1, 1),
    pool_type: Text = "max",
    stride: Sizes | None = None,
    pad: Pads | None = None,
    global_pool: bool = False,
    pooling_convention: Text = "valid",
    count_include_pad: bool = True,
) -> Step:
    """The maximum or mean over windows, with a stride of 1 unless given; over everything with `global_pool`.

    pooling_convention: "valid" leaves out windows that reach over the edge, "full" keeps them (ceil mode).
    """
    kinds = choose("Pooling", "pool_type", pool_type, _GLOBAL if global_pool else _POOLS)
    if global_pool:
        if len(x) not in (3, 4, 5):
            raise EngineError("the input has no spatial axes", "it wants (N, channels, ...)")
        return kinds[len(x) - 2](1)
    ceil = choose("Pooling", "pooling_convention", pooling_convention, {"valid": False, "full": True})
    axes = _spatial(x, kernel)
    stride, pad = _each(stride, 1, axes), _each(pad, 0, axes)
    if pool_type == "avg":
        return kinds[axes](kernel, stride, pad, ceil_mode=ceil, count_include_pad=count_include_pad)
    return kinds[axes](kernel, stride, pad, ceil_mode=ceil)


@operator("activation")
def Activation(x: Shape, *, act_type: Text) -> Step:
    """A function of every number: relu, sigmoid, tanh, softrelu, softsign, gelu, silu, elu, selu, leaky, ..."""
    return choose("Activation", "act_type", act_type, ACTIVATIONS)()


def _averages(params: dict[str, Any]) -> tuple[str, ...]:
    return ("running_mean", "running_var", "num_batches_tracked")


@operator("normalization", weights=_always, states=_averages)
def BatchNorm(x: Shape, *, eps: Positive = 1e-5, momentum: Fraction = 0.9) -> Step:
    """Batch normalization over all axes but the second; `momentum` is the part that an average keeps in a step."""
    if len(x) not in (2, 3, 4, 5):
        raise EngineError("the input has a wrong number of axes", "it wants (N, channels, ...) with up to 3 more")
    return _NORMS[len(x) - 2](x[1], eps=eps, momentum=round(1 - momentum, 10))


@operator("normalization", weights=_always)
def LayerNorm(x: Shape, *, axes: Count = 1, eps: Positive = 1e-5) -> Step:
    """Layer normalization over the last axis, or the last `axes` ones."""
    return nn.LayerNorm(x[-axes:], eps=eps)


@operator("normalization")
def LRN(x: Shape, *, nsize: Count, alpha: Number = 1e-4, beta: Number = 0.75, knorm: Number = 2.0) -> Step:
    """Local response normalization over `nsize` neighbouring channels (AlexNet)."""
    return nn.LocalResponseNorm(nsize, alpha, beta, knorm)


@operator("dropout")
def Dropout(x: Shape, *, p: Fraction = 0.5) -> Step:
    """Sets a part `p` of the numbers to zero in training, and does nothing in evaluation."""
    return nn.Dropout(p)


@operator("dense", weights=lambda params: ("weight",))
def Embedding(x: Shape, *, input_dim: Count, output_dim: Count) -> Step:
    """A trained vector for each whole number below `input_dim`: (N, ...) -> (N, ..., output_dim)."""
    return nn.Embedding(input_dim, output_dim)


def _each(value: tuple[int, ...] | None, default: int, axes: int) -> tuple[int, ...]:
    """One number per spatial axis."""
    if value is None:
        return (default,) * axes
    if len(value) == axes:
        return value
    if len(set(value)) == 1:
        return value[:1] * axes
    raise EngineError(f"{value} has another number of axes than the kernel, which has {axes}")


def _spatial(x: Shape, kernel: tuple[int, ...]) -> int:
    """The number of spatial axes, checked against the input."""
    if len(x) != len(kernel) + 2:
        axes = ", ".join(["depth", "height", "width"][-len(kernel) :])
        raise EngineError(f"a kernel of {len(kernel)} axes wants inputs of shape (N, channels, {axes})")
    return len(kernel)
