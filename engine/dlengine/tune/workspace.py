"""Memory that an operator takes and gives back while it runs: what convolutions and poolings copy into another order.

Read off torch's memory profile, shape by shape, on CPUs with AVX2 and with AVX-512. In the plain order oneDNN copies
inputs, weights and outputs into blocks of channels; in channels_last only weights. Where a kernel is higher than its
image, with AVX2 it has no code of its own for the weights' gradient, and calls a matrix product with room per thread.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch._prims_common import suggest_memory_format

_FORWARD, _BACKWARD = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default
_MAX_BACK = torch.ops.aten.max_pool2d_with_indices_backward.default
_MEAN_BACK = torch.ops.aten.avg_pool2d_backward.default


def transient(operator: Any, arguments: tuple[Any, ...], result: Any) -> int:
    """Bytes beyond the results at the worst moment of an operator; 0 for all but convolutions and pooling on a CPU."""
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
    if operator in (_MAX_BACK, _MEAN_BACK) and result.device.type == "cpu":
        gradient, image = arguments[:2]
        if suggest_memory_format(gradient) is not suggest_memory_format(image):  # as after flattening
            return _bytes(result) + (_bytes(arguments[-1]) if operator is _MAX_BACK else 0)
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
    small = image.shape[1] < _block()  # an image of a few channels is read as it is
    kernel = _kernel(weight, groups, few=small)
    if not _plain(image, weight):
        return kernel
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
    flat = image.shape[1] == 3 or (image.shape[1] == 1 and _wide())  # colours, or grey, are read as they are
    kernel = _kernel(weight, groups, few=flat)
    if not _plain(image, weight):
        return max(2 * kernel, product)
    for_image = 0 if results[0] is None else _bytes(results[0])
    outer, inner = _blocked(gradient, 1), _bytes(image) if flat else _blocked(image, 1)
    # The weights' gradient comes last: from copies, and then copied into the weights' order.
    narrow = 8 if image.shape[1] < _block() and not flat else None  # then code for AVX2 serves for all
    copies = product or _blocked(gradient, 1, block=narrow) + (0 if flat else _blocked(image, 1, block=narrow))
    moments = [for_image + copies + kernel, for_image + kernel + _bytes(weight)]
    if for_image:
        moments += [outer + _kernel(weight, groups) + inner, (2 if strided else 1) * for_image + inner]
    return max(0, max(moments) - sum(_bytes(each) for each in results if each is not None))


def _by_product(gradient: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, dilation: list[int]) -> int:
    """For each thread, patches side by side and four times the weights; 0 where oneDNN has code of its own."""
    height = (weight.shape[2] - 1) * dilation[0] + 1
    if height <= image.shape[2] or _wide():
        return 0
    patches = weight[0].numel() * math.prod(gradient.shape[2:]) * weight.element_size()
    return torch.get_num_threads() * (patches + 4 * _bytes(weight))


def _kernel(weight: torch.Tensor, groups: int, *, few: bool = False) -> int:
    """few: whether the image's channels are so few that they are not filled up to blocks."""
    return _blocked(weight, 0) if few or groups > 1 else _blocked(weight, 0, 1)


def _plain(image: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether neither lies in channels_last order, as torch tells it from the strides."""
    return not any(suggest_memory_format(each) is torch.channels_last for each in (image, weight))


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _blocked(tensor: torch.Tensor, *axes: int, block: int | None = None) -> int:
    """Bytes with the channels filled up to whole blocks."""
    shape, whole = list(tensor.shape), block or _block()
    for axis in axes:
        shape[axis] = -(-shape[axis] // whole) * whole
    return math.prod(shape) * tensor.element_size()


def _block() -> int:
    return 16 if _wide() else 8


def _wide() -> bool:
    return "AVX512" in torch.backends.cpu.get_cpu_capability()
