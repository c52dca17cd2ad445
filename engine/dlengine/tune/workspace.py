"""Memory that an operator takes and gives back while it runs: what oneDNN's convolutions copy into their own order.

Read off torch's memory profile, shape by shape, on a CPU with AVX2. In the plain order inputs, weights and outputs are
copied into blocks of channels; in channels_last only weights are. Where a kernel is higher than its image, oneDNN has
no code of its own for the weights' gradient, and calls a matrix product with room for each thread.
"""

from __future__ import annotations

import math
from typing import Any

import torch

_FORWARD, _BACKWARD = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default


def transient(operator: Any, arguments: tuple[Any, ...], result: Any) -> int:
    """Bytes beyond the results at the worst moment of an operator; 0 for all but float32 convolutions on the CPU."""
    if operator is _FORWARD:
        image, weight, _, stride, _, dilation, _, _, groups = arguments
        if not _float_image(image):
            return 0
        if not _on_onednn(image, weight, stride, dilation, groups):
            return _columns(image, weight, result)
        return _forward(image, weight, result, groups)
    if operator is _BACKWARD:
        gradient, image, weight, _, stride, _, dilation, transposed, _, groups = arguments[:10]
        if not _float_image(image):
            return 0
        if not _on_onednn(image, weight, stride, dilation, groups):
            return _columns(image, weight, gradient)
        product = 0 if transposed else _by_product(gradient, image, weight, dilation)
        return _backward(gradient, image, weight, result, groups, strided=max(stride) > 1, product=product)
    return 0


def _float_image(image: torch.Tensor) -> bool:
    return image.device.type == "cpu" and image.dtype == torch.float32 and image.dim() == 4


def _on_onednn(image: torch.Tensor, weight: torch.Tensor, stride: list[int], dilation: list[int], groups: int) -> bool:
    """Whether torch gives it to oneDNN (ConvParams::use_mkldnn in ATen's Convolution.cpp)."""
    small = len(image) == 1 and image.numel() <= 20480 and groups == 1 and min(weight.shape[2:]) <= 3
    single = torch.get_num_threads() == 1 and len(image) < 16 and tuple(weight.shape[2:]) == (1, 1)
    plain = max(stride) == 1 and max(dilation) == 1
    return torch.backends.mkldnn.is_available() and not small and not (single and plain)


def _columns(image: torch.Tensor, weight: torch.Tensor, output: torch.Tensor) -> int:
    """torch's own convolution lays patches side by side; an image and kernels of one pixel are that already."""
    area = math.prod(weight.shape[2:])
    return 0 if area == 1 else image.shape[1] * area * output[:, 0].numel() * image.element_size()


def _forward(image: torch.Tensor, weight: torch.Tensor, output: torch.Tensor, groups: int) -> int:
    kernel = _kernel(weight, groups)
    if not _plain(image, weight):
        return kernel
    small = image.shape[1] < _block()  # an image of a few channels is read as it is
    copied = (0 if small else _blocked(image, 1)) + kernel + _blocked(output, 1)
    return max(copied - _bytes(output), _blocked(output, 1))


def _backward(
    gradient: torch.Tensor,
    image: torch.Tensor,
    weight: torch.Tensor,
    results: Any,
    groups: int,
    *,
    strided: bool,
    product: int,
) -> int:
    """product: what the matrix product for the weights' gradient takes."""
    kernel = _kernel(weight, groups)
    if not _plain(image, weight):
        return max(2 * kernel, product)
    for_image = 0 if results[0] is None else _bytes(results[0])
    flat = image.shape[1] == 3  # colours are read as they are
    outer, inner = _blocked(gradient, 1), _bytes(image) if flat else _blocked(image, 1)
    # The weights' gradient comes last: from copies, and then copied into the weights' order.
    copies = product or outer + (0 if flat else inner)
    moments = [for_image + copies + kernel, for_image + kernel + _bytes(weight)]
    if for_image:
        moments += [outer + kernel + inner, (2 if strided else 1) * for_image + inner]
    return max(0, max(moments) - sum(_bytes(each) for each in results if each is not None))


def _by_product(gradient: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, dilation: list[int]) -> int:
    """For each thread, patches side by side and four times the weights; 0 where oneDNN has code of its own."""
    height = (weight.shape[2] - 1) * dilation[0] + 1
    if height <= image.shape[2] or torch.backends.cpu.get_cpu_capability() != "AVX2":
        return 0
    patches = weight[0].numel() * math.prod(gradient.shape[2:]) * weight.element_size()
    return torch.get_num_threads() * (patches + 4 * _bytes(weight))


def _kernel(weight: torch.Tensor, groups: int) -> int:
    return _blocked(weight, 0, 1) if groups == 1 else _blocked(weight, 0)


def _plain(image: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether neither lies in channels_last order."""
    last = torch.channels_last
    return not any(each.is_contiguous(memory_format=last) and not each.is_contiguous() for each in (image, weight))


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
