"""LeNet as MXNet's examples define it (example/image-classification/symbols/lenet.py)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dlengine.initial import seeded, xavier


def lenet(classes: int = 10, *, seed: int | None = 0) -> nn.Sequential:
    """Two tanh convolutions with pooling and two dense layers: (N, 1, 28, 28) -> (N, classes) logits.

    431,080 parameters with 10 classes. `seed` fixes the initial weights; None draws from torch's generator.
    """
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
