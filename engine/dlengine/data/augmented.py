"""A data set whose samples change a little in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dlengine.data import augment
from dlengine.data.augment import Transform
from dlengine.data.dataset import Batches, want_batches
from dlengine.data.draws import Draws
from dlengine.errors import EngineError


class Augmented:
    """`data` with `transforms` applied to its inputs, a batch at a time.

    What happens to a sample depends on seed, epoch and the sample's number alone, so that it is the same on any
    number of ranks and after a resume. `fit` tells the epoch (`set_epoch`); an own loop calls it before each epoch.
    mixup: the alpha of Zhang et al. 2018, 0 for none. Each sample is blended with another one of the data set, and
    targets become probabilities (N, classes), which cross entropy takes.
    """

    def __init__(
        self,
        data: Batches,
        transforms: Sequence[Transform] = (),
        *,
        seed: int = 0,
        mixup: float = 0.0,
        classes: int | None = None,
    ) -> None:
        want_batches(data, "Augmented of")
        if not isinstance(transforms, Sequence) or not all(map(_is_transform, transforms)):
            raise EngineError(
                f"transforms={transforms!r}", "give a list, such as [augment.Flip(), augment.Normalize(0.5, 0.2)]"
            )
        if mixup and classes is None:
            raise EngineError("mixup without classes", "say how many classes there are: classes=10")
        if not 0 <= mixup <= 1:
            raise EngineError(f"mixup={mixup}", "give an alpha from 0 to 1; 0.2 is usual")
        self.data = data
        self.transforms = list(transforms)
        self.seed = seed
        self.epoch = 0
        self.prefetch = getattr(data, "prefetch", 0)
        self._mixup = mixup
        self._classes = classes
        if hasattr(data, "y") and not mixup:
            self.y = data.y  # lets `fit` check all labels before the first step

    def __len__(self) -> int:
        return len(self.data)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of this epoch."""
        self.epoch = epoch

    def batch(self, indices: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples at `indices`, changed as this epoch wants it."""
        places = np.asarray(indices, dtype=np.int64)
        if not len(places):  # of a rank that is idle in the last step; not every transform takes an empty batch
            x, y = self.batch([0])
            return x[:0], y[:0]
        if not self._mixup:
            return self._changed(places)
        draws = Draws(self.seed, self.epoch, places, purpose=0)
        others = draws.integers(0, len(self.data) - 1)[:, 0]
        part = torch.as_tensor(draws.beta(self._mixup), dtype=torch.float32)
        (x, y), (other_x, other_y) = self._changed(places), self._changed(others)
        if not x.is_floating_point():
            raise EngineError(f"mixup of {x.dtype} images", "end the transforms with Normalize, which makes floats")
        weight = part.to(x.device).view(-1, *[1] * (x.dim() - 1))
        mixed = torch.lerp(self._one_hot(other_y), self._one_hot(y), part.to(y.device)[:, None])
        return torch.lerp(other_x, x, weight), mixed

    def _changed(self, places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = self.data.batch(places)
        for number, transform in enumerate(self.transforms, start=1):
            x = _apply(transform, x, Draws(self.seed, self.epoch, places, number))
        return x, y

    def _one_hot(self, y: torch.Tensor) -> torch.Tensor:
        assert self._classes is not None
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < self._classes:
            raise EngineError(
                f"labels from {int(y.min())} to {int(y.max())}, and classes={self._classes}",
                "give the number of classes",
            )
        return F.one_hot(y, self._classes).float()


def _is_transform(transform: Any) -> bool:
    return callable(transform) and not isinstance(transform, type)


def _apply(transform: Transform, images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The images, changed. Raises EngineError for what is no image to this package's own transforms, or comes out."""
    name = getattr(transform, "__name__", type(transform).__name__)
    if type(transform).__module__ == augment.__name__ and images.dim() != 4:
        raise EngineError(
            f"{name} of inputs of shape (N, {', '.join(map(str, images.shape[1:]))})", "it wants images (N, C, H, W)"
        )
    changed = transform(images, draws)
    if not isinstance(changed, torch.Tensor) or len(changed) != len(images):
        shown = f"{len(changed)} images" if isinstance(changed, torch.Tensor) else f"a {type(changed).__name__}"
        raise EngineError(f"the transform {name} gave {shown} for {len(images)}", "return a tensor of all images")
    return changed
