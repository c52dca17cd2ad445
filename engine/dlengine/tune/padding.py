"""Convolutions of six or seven channels computed with eight, the last of zeros: they fill a vector of the processor.

oneDNN's convolutions and torch's pooling go through the channels of a pixel 8 at a time with AVX2; what does not fill
a vector goes one by one. Between two convolutions the added channels are constants that the second one multiplies by
zero. Parameters and gradients keep their shapes; results differ by rounding alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from dlengine.tune.rewrite import trace, watched

_LANES = 8  # float32 numbers in a vector of AVX2
_FEWEST = 6  # with 4 it cost more than it gained, and so did filling the second vector of 10 to 50 channels

# What treats each channel by itself and makes finite numbers of zeros.
_MODULES = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.GELU, nn.MaxPool2d, nn.AvgPool2d)
_FUNCTIONS = (torch.relu, torch.tanh, torch.sigmoid, F.relu, F.tanh, F.sigmoid, F.max_pool2d, F.avg_pool2d)
_METHODS = ("relu", "tanh", "sigmoid")


def find(model: nn.Module) -> tuple[tuple[str, str], ...]:
    """Pairs of convolutions by name: what the first returns reaches the second alone, and is worth padding."""
    if not any(_worth(module) for module in model.modules()):
        return ()
    graph = trace(model)
    if graph is None:
        return ()
    modules = dict(model.named_modules())
    calls = Counter(id(modules[str(node.target)]) for node in graph.nodes if node.op == "call_module")
    pairs = []
    for node in graph.nodes:
        first = modules.get(str(node.target)) if node.op == "call_module" else None
        if first is not None and _worth(first):
            second = _reader(node, modules)
            if second is not None and calls[id(first)] == calls[id(modules[second])] == 1:
                pairs.append((str(node.target), second))
    return tuple(pairs)


def _worth(module: Any) -> bool:
    vectors = torch.backends.cpu.get_cpu_capability() == "AVX2"
    return vectors and _plain(module) and bool(_FEWEST <= module.out_channels < _LANES)


def _plain(module: nn.Module | None) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.groups == 1
        and module.padding_mode == "zeros"
        and module.weight.dtype == torch.float32
        and not watched(module)
    )


def _reader(producer: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    """The name of the convolution that alone reads this one's output, through layers that keep channels apart."""
    node = producer
    while len(node.users) == 1:
        node = next(iter(node.users))
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if _plain(module):
            return str(node.target)
        if not _keeps_channels_apart(node, module):
            return None
    return None


def _keeps_channels_apart(node: fx.Node, module: nn.Module | None) -> bool:
    if module is not None:
        return type(module) in _MODULES and not watched(module) and not getattr(module, "return_indices", False)
    if node.op == "call_method":
        return node.target in _METHODS
    return node.op == "call_function" and node.target in _FUNCTIONS and not node.kwargs.get("return_indices", False)


@contextmanager
def padded(model: nn.Module, pairs: tuple[tuple[str, str], ...]) -> Iterator[None]:
    """A block in which the first convolution of each pair hands on channels of zeros, and the second takes them."""
    modules: dict[str, Any] = dict(model.named_modules())
    more_out = {first: _LANES - modules[first].out_channels for first, _ in pairs}
    more_in = {second: more_out[first] for first, second in pairs}
    with ExitStack() as undo:
        for name in {**more_out, **more_in}:
            module = modules[name]
            module.forward = _forward(module, more_out.get(name, 0), more_in.get(name, 0))
            undo.callback(vars(module).pop, "forward", None)
        yield


def _forward(module: Any, outputs: int, inputs: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(x: torch.Tensor) -> torch.Tensor:
        weight = F.pad(module.weight, (0, 0, 0, 0, 0, inputs, 0, outputs))
        bias = module.bias if module.bias is None or not outputs else F.pad(module.bias, (0, outputs))
        return F.conv2d(x, weight, bias, module.stride, module.padding, module.dilation)

    return forward
