"""Memory that an operator takes and gives back while it runs: what oneDNN's convolutions copy into their own order.

Read off torch's memory profile: in the plain order inputs, weights and outputs are copied into blocks of channels. In
channels_last only weights are. Not in it: what oneDNN takes to add up the weights' gradient over threads, which matters
where kernels are larger than images (ResNet-18 on images of 64 pixels: 14% more than forecast).
"""

from __future__ import annotations

import math
from typing import Any

import torch

_FORWARD, _BACKWARD = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default


def transient(operator: Any, arguments: tuple[Any, ...], result: Any) -> int:
    """Bytes beyond the results at the worst moment of an operator; 0 for all but float32 convolutions on the CPU."""
    if operator is _FORWARD:
        image, weight = arguments[0], arguments[1]
        return _forward(image, weight, result) if _on_onednn(image) else 0
    if operator is _BACKWARD:
        gradient, image, weight = arguments[:3]
        return _backward(gradient, image, weight, result) if _on_onednn(image) else 0
    return 0


def _on_onednn(image: torch.Tensor) -> bool:
    fits = image.device.type == "cpu" and image.dtype == torch.float32 and image.dim() == 4
    return fits and torch.backends.mkldnn.is_available()


def _forward(image: torch.Tensor, weight: torch.Tensor, output: torch.Tensor) -> int:
    kernel = _blocked(weight, 0, 1)
    if not _plain(weight):
        return 2 * kernel
    small = image.shape[1] < _block()  # an image of a few channels is read as it is
    copied = (0 if small else _blocked(image, 1)) + kernel + _blocked(output, 1)
    return max(copied - _bytes(output), _blocked(output, 1))


def _backward(gradient: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, results: Any) -> int:
    kernel = _blocked(weight, 0, 1)
    if not _plain(weight):
        return 2 * kernel
    for_image = 0 if results[0] is None else _bytes(results[0])
    outer, inner = _blocked(gradient, 1), _blocked(image, 1)
    moments = [for_image + outer + inner + kernel]  # the weights' gradient comes last
    if for_image:
        moments += [outer + kernel + inner, inner + for_image]
    return max(0, max(moments) - sum(_bytes(each) for each in results if each is not None))


def _plain(weight: torch.Tensor) -> bool:
    return weight.is_contiguous() or not weight.is_contiguous(memory_format=torch.channels_last)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _blocked(tensor: torch.Tensor, *axes: int) -> int:
    """Bytes with the channels filled up to whole blocks."""
    shape = list(tensor.shape)
    for axis in axes:
        shape[axis] = -(-shape[axis] // _block()) * _block()
    return math.prod(shape) * tensor.element_size()


def _block() -> int:
    return 16 if "AVX512" in torch.backends.cpu.get_cpu_capability() else 8
