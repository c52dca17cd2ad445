"""AlexNet on one device (Krizhevsky 2014, "One weird trick", as torchvision counts it)."""

from __future__ import annotations

from torch import nn

from dlengine.initial import seeded, sizes


def alexnet(classes: int = 1000, *, dropout: float = 0.5, seed: int | None = 0) -> nn.Sequential:
    """Five convolutions and three dense layers: (N, 3, 224, 224) -> (N, classes) logits.

    61,100,840 parameters with 1000 classes. Its layers are called as in torchvision, which can exchange weights.
    """
    sizes(classes=classes)
    with seeded(seed):
        features = nn.Sequential(
            *_conv(3, 64, 11, stride=4, padding=2),
            nn.MaxPool2d(3, 2),
            *_conv(64, 192, 5, padding=2),
            nn.MaxPool2d(3, 2),
            *_conv(192, 384, 3, padding=1),
            *_conv(384, 256, 3, padding=1),
            *_conv(256, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
        )
        classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, classes),
        )
    model = nn.Sequential()
    for name, part in {"features": features, "flatten": nn.Flatten(), "classifier": classifier}.items():
        model.add_module(name, part)
    return model


def _conv(channels: int, filters: int, kernel: int, *, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(channels, filters, kernel, stride, padding), nn.ReLU(inplace=True)]
