"""Inception v1 (GoogLeNet, Szegedy 2014, 1409.4842) and Inception-BN (Ioffe 2015, 1502.03167)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from dlengine.initial import kaiming, seeded, sizes

# Filters of a module: 1x1; 3x3 after a reduction; 5x5 after a reduction; 1x1 after pooling (table 1 of the paper).
_V1 = {
    "in3a": (64, (96, 128), (16, 32), 32),
    "in3b": (128, (128, 192), (32, 96), 64),
    "in4a": (192, (96, 208), (16, 48), 64),
    "in4b": (160, (112, 224), (24, 64), 64),
    "in4c": (128, (128, 256), (24, 64), 64),
    "in4d": (112, (144, 288), (32, 64), 64),
    "in4e": (256, (160, 320), (32, 128), 128),
    "in5a": (256, (160, 320), (32, 128), 128),
    "in5b": (384, (192, 384), (48, 128), 128),
}
# The same with 5x5 as two 3x3, and the kind of pooling; without 1x1 it halves the image (MXNet, inception-bn.py).
_BN = {
    "in3a": (64, (64, 64), (64, 96), 32, "avg"),
    "in3b": (64, (64, 96), (64, 96), 64, "avg"),
    "in3c": (0, (128, 160), (64, 96), 0, "max"),
    "in4a": (224, (64, 96), (96, 128), 128, "avg"),
    "in4b": (192, (96, 128), (96, 128), 128, "avg"),
    "in4c": (160, (128, 160), (128, 160), 128, "avg"),
    "in4d": (96, (128, 192), (160, 192), 128, "avg"),
    "in4e": (0, (128, 192), (192, 256), 0, "max"),
    "in5a": (352, (192, 320), (160, 224), 128, "avg"),
    "in5b": (352, (192, 320), (192, 224), 128, "max"),
}


def inception_v1(classes: int = 1000, *, lrn: bool = True, dropout: float = 0.4, seed: int | None = 0) -> nn.Sequential:
    """GoogLeNet without auxiliary classifiers: (N, 3, 224, 224) -> (N, classes) logits.

    6,998,552 parameters with 1000 classes. lrn: local response normalization, as in the paper.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    sizes(classes=classes)
    with seeded(seed):
        layers["conv1"], layers["relu1"] = nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(inplace=True)
        layers["pool1"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers |= {"norm1": nn.LocalResponseNorm(5, k=2.0)} if lrn else {}
        layers["conv2"], layers["relu2"] = nn.Conv2d(64, 64, 1), nn.ReLU(inplace=True)
        layers["conv3"], layers["relu3"] = nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(inplace=True)
        layers |= {"norm2": nn.LocalResponseNorm(5, k=2.0)} if lrn else {}
        layers["pool2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = 192
        for name, (ones, threes, fives, project) in _V1.items():
            layers[name] = InceptionV1(channels, ones, threes, fives, project)
            channels = ones + threes[1] + fives[1] + project
            if name in ("in3b", "in4e"):
                layers[f"{name}_pool"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers |= {"pool5": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "dropout": nn.Dropout(dropout)}
        layers["fc"] = nn.Linear(channels, classes)
        model = nn.Sequential(layers)
        model.apply(kaiming)
    return model


class InceptionV1(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1."""

    def __init__(self, channels: int, ones: int, threes: tuple[int, int], fives: tuple[int, int], project: int) -> None:
        super().__init__()
        self.b1 = nn.Conv2d(channels, ones, 1)
        self.b2a = nn.Conv2d(channels, threes[0], 1)
        self.b2b = nn.Conv2d(*threes, 3, padding=1)
        self.b3a = nn.Conv2d(channels, fives[0], 1)
        self.b3b = nn.Conv2d(*fives, 5, padding=2)
        self.pool = nn.MaxPool2d(3, 1, 1, ceil_mode=True)
        self.b4 = nn.Conv2d(channels, project, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        relu = self.relu
        return torch.cat(
            [
                relu(self.b1(x)),
                relu(self.b2b(relu(self.b2a(x)))),
                relu(self.b3b(relu(self.b3a(x)))),
                relu(self.b4(self.pool(x))),
            ],
            dim=1,
        )


def inception_bn(classes: int = 1000, *, seed: int | None = 0) -> nn.Sequential:
    """Inception with batch normalization: (N, 3, 224, 224) -> (N, classes) logits.

    11,285,224 parameters with 1000 classes; Caffe's 11,295,240 count a bias for every convolution, which this has not.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    sizes(classes=classes)
    with seeded(seed):
        layers["conv1"] = _unit(3, 64, 7, stride=2)
        layers["pool1"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers["conv2"], layers["conv3"] = _unit(64, 64, 1), _unit(64, 192, 3)
        layers["pool2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = 192
        for name, (ones, threes, doubles, project, pool) in _BN.items():
            layers[name] = InceptionBN(channels, ones, threes, doubles, project, pool)
            channels = (ones + project or channels) + threes[1] + doubles[1]
        layers |= {"pool5": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
        layers["fc"] = nn.Linear(channels, classes)
        model = nn.Sequential(layers)
        model.apply(kaiming)
    return model


def _unit(channels: int, filters: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """Convolution, normalization, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    )


class InceptionBN(nn.Module):
    """1x1; 1x1 and 3x3; 1x1 and twice 3x3; pooling and 1x1. Without `ones` it halves the image, and only pools."""

    def __init__(
        self, channels: int, ones: int, threes: tuple[int, int], doubles: tuple[int, int], project: int, pool: str
    ) -> None:
        super().__init__()
        stride = 1 if ones else 2
        branches = [nn.Sequential(_unit(channels, threes[0], 1), _unit(*threes, 3, stride=stride))]
        branches.append(
            nn.Sequential(
                _unit(channels, doubles[0], 1), _unit(*doubles, 3), _unit(doubles[1], doubles[1], 3, stride=stride)
            )
        )
        pooling: nn.Module = nn.MaxPool2d(3, stride, 1) if pool == "max" else nn.AvgPool2d(3, 1, 1)
        if ones:
            branches = [_unit(channels, ones, 1), *branches, nn.Sequential(pooling, _unit(channels, project, 1))]
        else:
            branches.append(nn.Sequential(pooling))
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
