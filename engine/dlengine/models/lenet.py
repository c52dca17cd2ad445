"""LeNet: the one of MXNet's examples, and LeNet-5 of the paper (LeCun 1998)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dlengine.errors import EngineError
from dlengine.initial import seeded, sizes, xavier


def lenet(classes: int = 10, *, seed: int | None = 0) -> nn.Sequential:
    """Two tanh convolutions with pooling and two dense layers: (N, 1, 28, 28) -> (N, classes) logits.

    431,080 parameters with 10 classes (MXNet, example/image-classification/symbols/lenet.py).
    `seed` fixes the initial weights; None draws from torch's generator.
    """
    sizes(classes=classes)
    with seeded(seed):
        model = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 20, 5),
                tanh1=nn.Tanh(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(20, 50, 5),
                tanh2=nn.Tanh(),
                pool2=nn.MaxPool2d(2),
                flatten=nn.Flatten(),
                fc1=nn.Linear(50 * 4 * 4, 500),
                tanh3=nn.Tanh(),
                fc2=nn.Linear(500, classes),
            )
        )
        model.apply(xavier)
    return model


def lenet5(classes: int = 10, *, size: int = 32, seed: int | None = 0) -> nn.Sequential:
    """LeNet-5 with ReLU and max pooling: (N, 1, size, size) -> (N, classes) logits; size 32, or 28 with a margin of 2.

    61,706 parameters with 10 classes.
    """
    if size not in (28, 32):
        raise EngineError(f"size={size}", "LeNet-5 takes images of 32 or 28 pixels")
    sizes(classes=classes)
    with seeded(seed):
        model = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 6, 5, padding=(32 - size) // 2),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(6, 16, 5),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
                flatten=nn.Flatten(),
                fc1=nn.Linear(16 * 5 * 5, 120),
                relu3=nn.ReLU(),
                fc2=nn.Linear(120, 84),
                relu4=nn.ReLU(),
                fc3=nn.Linear(84, classes),
            )
        )
        model.apply(xavier)
    return model
