"""Which operator a torch module is, so that a traced network can be saved, drawn and bound again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from dlengine.symbol.layers import ACTIVATIONS
from dlengine.symbol.sequence import Attention

Found = tuple[str, dict[str, Any]]


def recognize(module: nn.Module) -> Found | None:
    """Operator and parameters that build the same layer; None for a module that no operator describes exactly."""
    for kinds, describe in _TABLE:
        if isinstance(module, kinds):
            return describe(module)
    for name, kind in ACTIVATIONS.items():
        if type(module) is kind and _plain(module, kind):
            return "Activation", {"act_type": name}
    return None


def _plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether an activation has its usual constants; working in place changes no value."""
    usual = kind()
    names = [name for name in getattr(kind, "__constants__", ()) if name != "inplace"] + ["approximate"]
    return all(getattr(module, name, None) == getattr(usual, name, None) for name in names)


def _linear(module: Any) -> Found:
    return "FullyConnected", {"num_hidden": module.out_features, "no_bias": module.bias is None, "flatten": False}


def _convolution(module: Any) -> Found | None:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        return None
    shared = {
        "num_filter": module.out_channels,
        "kernel": module.kernel_size,
        "stride": module.stride,
        "pad": module.padding,
        "num_group": module.groups,
        "no_bias": module.bias is None,
    }
    if isinstance(module, _ConvTransposeNd):
        return ("Deconvolution", shared | {"adj": module.output_padding}) if set(module.dilation) == {1} else None
    return "Convolution", shared | {"dilate": module.dilation}


def _pooling(kind: str) -> Callable[[Any], Found | None]:
    def describe(module: Any) -> Found | None:
        special = getattr(module, "return_indices", False) or getattr(module, "divisor_override", None)
        if special or getattr(module, "dilation", 1) != 1:
            return None
        axes = int(type(module).__name__[-2])
        return "Pooling", {
            "pool_type": kind,
            "kernel": _sizes(module.kernel_size, axes),
            "stride": _sizes(module.stride, axes),
            "pad": _sizes(module.padding, axes),
            "pooling_convention": "full" if module.ceil_mode else "valid",
            "count_include_pad": getattr(module, "count_include_pad", True),
        }

    return describe


def _global(kind: str) -> Callable[[Any], Found | None]:
    def describe(module: Any) -> Found | None:
        sizes = set(module.output_size) if isinstance(module.output_size, tuple) else {module.output_size}
        return ("Pooling", {"pool_type": kind, "global_pool": True}) if sizes == {1} else None

    return describe


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,) * axes


def _batch_norm(module: Any) -> Found | None:
    if (
        isinstance(module, nn.SyncBatchNorm)
        or not module.affine
        or not module.track_running_stats
        or not module.momentum
    ):
        return None
    return "BatchNorm", {"eps": module.eps, "momentum": round(1 - module.momentum, 10)}


def _layer_norm(module: Any) -> Found | None:
    if module.weight is None or module.bias is None:
        return None
    return "LayerNorm", {"axes": len(module.normalized_shape), "eps": module.eps}


def _embedding(module: Any) -> Found | None:
    if module.padding_idx is not None or module.max_norm is not None or module.sparse or module.scale_grad_by_freq:
        return None
    return "Embedding", {"input_dim": module.num_embeddings, "output_dim": module.embedding_dim}


def _attention(module: Any) -> Found | None:
    if module.query.bias is None:
        return None
    return "MultiHeadAttention", {"num_heads": module.heads, "causal": module.causal, "p": module.dropout}


_TABLE: list[tuple[Any, Callable[[Any], Found | None]]] = [
    (nn.Linear, _linear),
    (_ConvNd, _convolution),
    ((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _pooling("max")),
    ((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _pooling("avg")),
    ((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), _global("max")),
    ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), _global("avg")),
    (_BatchNorm, _batch_norm),
    (nn.LayerNorm, _layer_norm),
    (nn.LocalResponseNorm, lambda m: ("LRN", {"nsize": m.size, "alpha": m.alpha, "beta": m.beta, "knorm": m.k})),
    (nn.Dropout, lambda m: ("Dropout", {"p": m.p}) if m.p < 1 else None),
    (nn.Embedding, _embedding),
    (nn.Flatten, lambda m: ("Flatten", {}) if (m.start_dim, m.end_dim) == (1, -1) else None),
    (Attention, _attention),
]
