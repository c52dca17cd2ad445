"""VGG (Simonyan 2014, 1409.1556)."""

from __future__ import annotations

from torch import nn

from dlengine.errors import EngineError
from dlengine.initial import kaiming, seeded, sizes

_REPEATS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FILTERS = (64, 128, 256, 512, 512)


def vgg(
    depth: int = 16, classes: int = 1000, *, batch_norm: bool = False, dropout: float = 0.5, seed: int | None = 0
) -> nn.Sequential:
    """Convolutions of 3x3 in five stages and three dense layers: (N, 3, 224, 224) -> (N, classes) logits.

    depth: 11, 13, 16 or 19; VGG-16 has 138,357,544 parameters with 1000 classes. Layers are called as in torchvision.
    """
    if depth not in _REPEATS:
        raise EngineError(f"there is no VGG-{depth}", f"choose one of {', '.join(map(str, _REPEATS))}")
    sizes(classes=classes)
    with seeded(seed):
        layers: list[nn.Module] = []
        channels = 3
        for filters, repeats in zip(_FILTERS, _REPEATS[depth], strict=True):
            for _ in range(repeats):
                layers.append(nn.Conv2d(channels, filters, 3, padding=1))
                layers += [nn.BatchNorm2d(filters)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                channels = filters
            layers.append(nn.MaxPool2d(2))
        classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, classes),
        )
        model = nn.Sequential()
        for name, part in {
            "features": nn.Sequential(*layers),
            "flatten": nn.Flatten(),
            "classifier": classifier,
        }.items():
            model.add_module(name, part)
        model.apply(kaiming)
    return model
