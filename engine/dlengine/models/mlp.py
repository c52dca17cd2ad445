"""Dense layers one after another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from dlengine.errors import EngineError
from dlengine.initial import seeded, sizes, xavier


def mlp(
    inputs: int = 784, hidden: Sequence[int] = (512, 512), classes: int = 10, *, seed: int | None = 0
) -> nn.Sequential:
    """Dense layers with ReLU between them: (N, ...) with `inputs` numbers a sample -> (N, classes) logits.

    `seed` fixes the initial weights; None draws from torch's generator.
    """
    if not isinstance(hidden, Sequence) or not all(isinstance(width, int) and width > 0 for width in hidden):
        raise EngineError(f"hidden={hidden!r}", "give the widths of the layers between, such as (512, 512)")
    widths = [inputs, *hidden]
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    sizes(inputs=inputs, classes=classes)
    with seeded(seed):
        for number, (width, next_width) in enumerate(pairwise(widths), start=1):
            layers[f"fc{number}"] = nn.Linear(width, next_width)
            layers[f"relu{number}"] = nn.ReLU()
        layers[f"fc{len(widths)}"] = nn.Linear(widths[-1], classes)
        model = nn.Sequential(layers)
        model.apply(xavier)
    return model
