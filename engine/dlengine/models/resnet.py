"""ResNet: version 1 (He 2015, 1512.03385) and version 2 with normalization first (He 2016, 1603.05027)."""

from __future__ import annotations

import torch
from torch import nn

from dlengine.errors import EngineError
from dlengine.initial import kaiming, seeded, sizes

_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def resnet(depth: int = 50, classes: int = 1000, *, version: int = 1, seed: int | None = 0) -> nn.Module:
    """A residual network of `depth` 18, 34, 50, 101 or 152: (N, 3, 224, 224) -> (N, classes) logits.

    Any size of images works. ResNet-50 has 25,557,032 parameters with 1000 classes. Of version 1 with bottlenecks, the
    stride is in the 3x3 convolution, and all layers are called as in torchvision.
    """
    if depth not in _DEPTHS:
        raise EngineError(f"there is no ResNet-{depth}", f"choose one of {', '.join(map(str, _DEPTHS))}")
    if version not in (1, 2):
        raise EngineError(
            f"ResNet has no version {version}", "choose 1, or 2 with normalization before the convolutions"
        )
    sizes(classes=classes)
    with seeded(seed):
        model = ResNet(_DEPTHS[depth], classes, wide=depth >= 50, first=version == 2)
        model.apply(kaiming)
    return model


class ResNet(nn.Module):
    """Four stages of residual blocks. `wide`: bottlenecks. `first`: normalization and ReLU before each convolution."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, repeats: tuple[int, ...], classes: int, *, wide: bool, first: bool) -> None:
        super().__init__()
        block: type[nn.Module] = PreBlock if first else Block
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, count in enumerate(repeats):
            blocks = []
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                blocks.append(block(channels, 64 * 2**stage, stride, wide=wide))
                channels = 64 * 2**stage * (4 if wide else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True)) if first else nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(self.last(x))))


def _convolutions(channels: int, width: int, stride: int, *, wide: bool) -> list[nn.Conv2d]:
    """The convolutions of a block; of a bottleneck, the middle one has the stride."""
    if not wide:
        return [
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
        ]
    return [
        nn.Conv2d(channels, width, 1, bias=False),
        nn.Conv2d(width, width, 3, stride, 1, bias=False),
        nn.Conv2d(width, 4 * width, 1, bias=False),
    ]


class Block(nn.Module):
    """Convolution, normalization and ReLU, two or three times; the input is added before the last ReLU."""

    conv1: nn.Conv2d
    conv2: nn.Conv2d
    conv3: nn.Conv2d
    bn1: nn.BatchNorm2d
    bn2: nn.BatchNorm2d
    bn3: nn.BatchNorm2d

    def __init__(self, channels: int, width: int, stride: int, *, wide: bool) -> None:
        super().__init__()
        convolutions = _convolutions(channels, width, stride, wide=wide)
        for number, convolution in enumerate(convolutions, 1):
            setattr(self, f"conv{number}", convolution)
            setattr(self, f"bn{number}", nn.BatchNorm2d(convolution.out_channels))
        self.relu = nn.ReLU(inplace=True)
        self.depth = len(convolutions)
        self.downsample: nn.Sequential | None = None
        out = convolutions[-1].out_channels
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.depth == 3:
            y = self.bn3(self.conv3(self.relu(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class PreBlock(nn.Module):
    """Normalization, ReLU and convolution, two or three times; the input, or its projection, is added at the end."""

    conv1: nn.Conv2d
    conv2: nn.Conv2d
    conv3: nn.Conv2d
    bn1: nn.BatchNorm2d
    bn2: nn.BatchNorm2d
    bn3: nn.BatchNorm2d

    def __init__(self, channels: int, width: int, stride: int, *, wide: bool) -> None:
        super().__init__()
        convolutions = _convolutions(channels, width, stride, wide=wide)
        for number, convolution in enumerate(convolutions, 1):
            setattr(self, f"bn{number}", nn.BatchNorm2d(convolution.in_channels))
            setattr(self, f"conv{number}", convolution)
        self.relu = nn.ReLU(inplace=True)
        self.depth = len(convolutions)
        out = convolutions[-1].out_channels
        self.downsample = nn.Conv2d(channels, out, 1, stride, bias=False) if stride != 1 or channels != out else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(x))
        shortcut = x if self.downsample is None else self.downsample(y)
        y = self.conv2(self.relu(self.bn2(self.conv1(y))))
        if self.depth == 3:
            y = self.conv3(self.relu(self.bn3(y)))
        return y + shortcut
